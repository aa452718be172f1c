import { type CanActivate, type ExecutionContext, HttpException, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { fromAuthInfo } from '../auth/user.js';
import type { Environment } from '../config/environment.js';

const WINDOW_SECONDS = 60;

/** Limits how many requests a user makes in a minute. Each process counts for itself. */
@Injectable()
export class RateLimitGuard implements CanActivate {
  private readonly limiter: RateLimiterMemory;

  constructor(config: ConfigService<Environment, true>) {
    const points = config.get('MCP_RATE_LIMIT', { infer: true });
    this.limiter = new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const { raw, ip } = http.getRequest<FastifyRequest>();
    // Without a token in the header the user is not known yet.
    const caller = raw.auth ? `user:${fromAuthInfo(raw.auth).id}` : `address:${ip}`;
    try {
      await this.limiter.consume(caller);
      return true;
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      const seconds = Math.ceil(refusal.msBeforeNext / 1000);
      void http.getResponse<FastifyReply>().header('retry-after', String(seconds));
      const error = { code: -32000, message: `Too many requests: try again in ${seconds} s` };
      throw new HttpException({ jsonrpc: '2.0', error, id: null }, 429);
    }
  }
}
