import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { invalidRequest } from '../problems/invalid-request.js';

/**
 * Creates a decorator for parameters that take an optional header, which it also documents. A
 * header that the schema rejects is answered with `INVALID_REQUEST`.
 */
export function optionalHeader(name: string, schema: z.ZodType<string>, description: string) {
  const read = (_: unknown, context: ExecutionContext): string | undefined => {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const { data, error } = schema.optional().safeParse(headers[name.toLowerCase()]);
    if (error === undefined) return data;
    throw invalidRequest(error.issues.map(({ message }) => ({ path: [name], message })));
  };
  const document: ParameterDecorator = (target, handler = '') => {
    const descriptor = Object.getOwnPropertyDescriptor(target, handler);
    if (descriptor) ApiHeader({ name, required: false, description })(target, handler, descriptor);
  };
  return createParamDecorator(read, [document]);
}
