import { STATUS_CODES } from 'node:http';
import { Delete, Get, Header, HttpCode, Patch, Post, applyDecorators } from '@nestjs/common';
import { ApiExtension, ApiOperation, ApiResponse } from '../openapi/swagger.js';
import type { z } from 'zod';
import type { Scope } from '../api-keys/scopes.js';
import { PROBLEMS_EXTENSION } from '../openapi/operation-metadata.js';
import type { ProblemCode } from '../problems/problem.js';
import { Public, RequiresApiKey, RequiresUser } from './access.decorators.js';

const METHODS = { GET: Get, POST: Post, PATCH: Patch, DELETE: Delete };

interface RouteOptions {
  readonly summary: string;
  readonly description: string;
  /** The body of a successful response. Without it, the status is 204. */
  readonly response?: z.ZodType;
  /** The body of a 503 response that is not a problem document. */
  readonly unavailable?: z.ZodType;
  /** The status of a response with a body. The default is 201 for POST, and otherwise 200. */
  readonly status?: number;
  /** Errors specific to this route. Errors of access, limits and validation need no declaration. */
  readonly problems?: readonly ProblemCode[];
}

/**
 * Declares a route: its guard, status, content type and OpenAPI operation. The handler's name is
 * the operation id.
 * @param access the scope that a key must have, `user` for the access token of a user, or `public`.
 */
export function Route(
  method: keyof typeof METHODS,
  path: string,
  access: Scope | 'user' | 'public',
  { summary, description, response, unavailable, problems = [], ...options }: RouteOptions,
): MethodDecorator {
  const { status = response === undefined ? 204 : method === 'POST' ? 201 : 200 } = options;
  const documented = (code: number, standardSchema: z.ZodType | undefined) =>
    ApiResponse({ status: code, description: STATUS_CODES[code], standardSchema });
  return applyDecorators(
    METHODS[method](path),
    HttpCode(status),
    accessDecorator(access),
    ApiOperation({ summary, description }),
    documented(status, response),
    ...(unavailable ? [documented(503, unavailable)] : []),
    ApiExtension(PROBLEMS_EXTENSION, problems),
    // Some handlers return JSON text, which Fastify would otherwise send as text/plain.
    ...(response ? [Header('content-type', 'application/json; charset=utf-8')] : []),
  );
}

function accessDecorator(access: Scope | 'user' | 'public'): MethodDecorator {
  if (access === 'public') return Public();
  return access === 'user' ? RequiresUser() : RequiresApiKey(access);
}
