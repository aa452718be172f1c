import { clientNetwork } from '@latchkey/limits/client-network';
import { type CanActivate, type ExecutionContext, HttpException, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { fromAuthInfo } from '../auth/user.js';
import { RateLimit } from '../limits/rate-limit.js';

/** Limits how many requests a user makes in a minute. */
@Injectable()
export class RateLimitGuard implements CanActivate {
  constructor(private readonly rateLimit: RateLimit) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const { raw, ip } = http.getRequest<FastifyRequest>();
    // Without a token in the header the user is not known yet.
    const caller = raw.auth ? `user:${fromAuthInfo(raw.auth).id}` : `address:${clientNetwork(ip)}`;
    const seconds = await this.rateLimit.consume(caller);
    if (seconds === undefined) return true;
    void http.getResponse<FastifyReply>().header('retry-after', String(seconds));
    const error = { code: -32000, message: `Too many requests: try again in ${seconds} s` };
    throw new HttpException({ jsonrpc: '2.0', error, id: null }, 429);
  }
}
