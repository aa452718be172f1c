import { clientNetwork } from '@latchkey/limits/client-network';
import { type CanActivate, type ExecutionContext, HttpException, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Environment } from '../config/environment.js';
import { jsonRpcError } from '../http/json-rpc-error.js';
import { fromAuthInfo } from './user.js';

const WINDOW_SECONDS = 60;

/** Counts the requests, or the tool calls, of a user per minute. Each process counts for itself. */
@Injectable()
export class RateLimit {
  private readonly limiter: RateLimiterMemory;

  constructor(config: ConfigService<Environment, true>) {
    const points = config.get('MCP_RATE_LIMIT', { infer: true });
    this.limiter = new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
  }

  /** Counts one for `key`; beyond the limit, returns the seconds until the next one is allowed. */
  async consume(key: string): Promise<number | undefined> {
    try {
      await this.limiter.consume(key);
      return undefined;
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      return Math.ceil(refusal.msBeforeNext / 1000);
    }
  }
}

/** Limits the requests of a user, or of a client network before the user is known. */
@Injectable()
export class RateLimitGuard implements CanActivate {
  constructor(private readonly rateLimit: RateLimit) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const { raw, ip } = http.getRequest<FastifyRequest>();
    const { auth } = raw;
    const key = auth ? `user:${fromAuthInfo(auth).userId}` : `address:${clientNetwork(ip)}`;
    const seconds = await this.rateLimit.consume(key);
    if (seconds === undefined) return true;
    void http.getResponse<FastifyReply>().header('retry-after', String(seconds));
    throw new HttpException(jsonRpcError(`Too many requests: try again in ${seconds} s`), 429);
  }
}
