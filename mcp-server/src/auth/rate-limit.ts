import { clientNetwork } from '@latchkey/limits/client-network';
import { NetworkWindows } from '@latchkey/limits/network-windows';
import { type CanActivate, type ExecutionContext, HttpException, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Environment } from '../config/environment.js';
import { jsonRpcError } from '../http/json-rpc-error.js';
import { fromAuthInfo } from './user.js';

const WINDOW_MS = 60_000;

/**
 * Limits the requests and tool calls per user, or per client network, in any 60 s. Each process
 * counts separately.
 */
@Injectable()
export class RateLimit {
  private readonly perMinute: number;
  private readonly windows = new NetworkWindows(WINDOW_MS);

  constructor(config: ConfigService<Environment, true>) {
    this.perMinute = config.get('MCP_RATE_LIMIT', { infer: true });
  }

  /**
   * Counts a request or tool call, unless the limit is reached.
   * @param key the name of the counter, such as `user:12345`
   * @returns undefined below the limit, else the seconds until the next request or call is allowed
   */
  count(key: string): number | undefined {
    const now = performance.now();
    const window = this.windows.windowOf(key, now);
    if (window.count(now) >= this.perMinute) return Math.ceil(window.msUntilLess(now) / 1000);
    window.add(now);
    return undefined;
  }
}

/** Limits requests by user, or by client network if the request has no token. */
@Injectable()
export class RateLimitGuard implements CanActivate {
  constructor(private readonly rateLimit: RateLimit) {}

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const { raw, ip } = http.getRequest<FastifyRequest>();
    const { auth } = raw;
    const key = auth ? `user:${fromAuthInfo(auth).userId}` : `address:${clientNetwork(ip)}`;
    const seconds = this.rateLimit.count(key);
    if (seconds === undefined) return true;
    void http.getResponse<FastifyReply>().header('retry-after', String(seconds));
    throw new HttpException(jsonRpcError(`Too many requests: try again in ${seconds} s`), 429);
  }
}
