import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import { toOpenApiSchema } from '../openapi/schema.js';
import { ApiHeader } from '../openapi/swagger.js';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { invalidRequest } from '../problems/invalid-request.js';
import { actingUserSchema } from './acting-user.schema.js';

export const CallingPrincipal = createParamDecorator(
  (_: unknown, context: ExecutionContext) => requestOf(context).principal,
);

export const UserId = createParamDecorator(
  (_: unknown, context: ExecutionContext) => requestOf(context).userId,
);

/**
 * Creates a parameter decorator that reads an optional header and documents the header in OpenAPI.
 * @throws ProblemException `INVALID_REQUEST` if the schema rejects the header
 */
export function optionalHeader(name: string, schema: z.ZodType<string>, description: string) {
  const read = (_: unknown, context: ExecutionContext): string | undefined => {
    const { headers } = requestOf(context);
    const { data, error } = schema.optional().safeParse(headers[name.toLowerCase()]);
    if (error === undefined) return data;
    throw invalidRequest(error.issues.map(({ message }) => ({ path: [name], message })));
  };
  const document: ParameterDecorator = (target, handler = '') => {
    const descriptor = Object.getOwnPropertyDescriptor(target, handler);
    const header = {
      name,
      required: false,
      description,
      schema: toOpenApiSchema(schema, 'input').schema,
    };
    /* v8 ignore else -- a handler always has a descriptor */
    if (descriptor) ApiHeader(header)(target, handler, descriptor);
  };
  return createParamDecorator(read, [document]);
}

export const ActingUser = optionalHeader(
  'X-Acting-User',
  actingUserSchema,
  'The user or operator on whose behalf the caller acts. The audit trail records this name, but the backend does not verify it.',
);

function requestOf(context: ExecutionContext): FastifyRequest {
  return context.switchToHttp().getRequest<FastifyRequest>();
}
