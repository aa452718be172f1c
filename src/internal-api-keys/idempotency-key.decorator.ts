import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { invalidRequest } from '../problems/invalid-request.js';
import { idempotencyKeySchema } from '../api-keys/api-key.schemas.js';

/** The request's `Idempotency-Key`, if it has one (draft-ietf-httpapi-idempotency-key-header). */
export const IdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
  const { data, error } = idempotencyKeySchema.optional().safeParse(headers['idempotency-key']);
  if (error === undefined) return data;
  throw invalidRequest(error.issues.map(({ message }) => ({ path: ['Idempotency-Key'], message })));
});
