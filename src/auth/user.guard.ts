import { AccessTokenError, AccessTokenVerifier } from '@latchkey/access-tokens/verifier';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemException } from '../problems/problem.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The user id in the verified access token; null on routes without a token. */
    userId: string | null;
  }
}

/**
 * Admits a request with a user's access token for this backend (`Authorization: Bearer`, RFC 6750),
 * and sets `request.userId`. Otherwise responds 401, or 503 if it cannot verify tokens.
 */
@Injectable()
export class UserGuard implements CanActivate {
  constructor(private readonly verifier: AccessTokenVerifier) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const [, token = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    try {
      request.userId = (await this.verifier.verify(token)).userId;
      return true;
    } catch (error) {
      if (!(error instanceof AccessTokenError)) throw error;
      const isOutage = error.fault === 'keys-unavailable';
      throw new ProblemException(isOutage ? 'TOKEN_ISSUER_UNAVAILABLE' : 'INVALID_ACCESS_TOKEN');
    }
  }
}
