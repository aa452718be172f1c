import { type ExecutionContext, applyDecorators, createParamDecorator } from '@nestjs/common';
import { ApiHeader } from '../openapi/swagger.js';
import type { FastifyRequest } from 'fastify';
import { invalidRequest } from '../problems/invalid-request.js';
import { userIdSchema } from '../users/user.schemas.js';

const HEADER = 'X-Acting-User';

/** The user id in the request's `X-Acting-User`, if present: an unverified claim of the caller. */
export const ActingUser = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
  const { data, error } = userIdSchema.optional().safeParse(headers[HEADER.toLowerCase()]);
  if (error === undefined) return data;
  throw invalidRequest(error.issues.map(({ message }) => ({ path: [HEADER], message })));
});

/** Documents `X-Acting-User` for a route that writes users. */
export const ApiActingUser = (): MethodDecorator =>
  applyDecorators(
    ApiHeader({
      name: HEADER,
      required: false,
      description:
        'The id of the user that the caller acts for, for the audit trail. It is the caller’s claim and is not verified.',
    }),
  );
