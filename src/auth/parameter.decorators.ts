import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import { toOpenApiSchema } from '../openapi/schema.js';
import { ApiHeader } from '../openapi/swagger.js';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { invalidRequest } from '../problems/invalid-request.js';

/** The caller that the route's API key has identified. */
export const CallingPrincipal = createParamDecorator(
  (_: unknown, context: ExecutionContext) => requestOf(context).principal,
);

/** The id of the user that the route's access token has identified. */
export const UserId = createParamDecorator(
  (_: unknown, context: ExecutionContext) => requestOf(context).userId,
);

/**
 * Creates a decorator for parameters that take an optional header, which it also documents. A
 * header that the schema rejects is answered with `INVALID_REQUEST`.
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
    if (descriptor) ApiHeader(header)(target, handler, descriptor);
  };
  return createParamDecorator(read, [document]);
}

function requestOf(context: ExecutionContext): FastifyRequest {
  return context.switchToHttp().getRequest<FastifyRequest>();
}
