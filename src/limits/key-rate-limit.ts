import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { FastifyReply } from 'fastify';
import type { Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../http/problem.js';
import { rateLimitHeaders, refusalHeaders } from './rate-limit-headers.js';
import { RequestWindow } from './request-window.js';
import { SharedStore } from './shared-store.js';

const WINDOW_SECONDS = 60;

/** How many requests a minute a key may make. Root keys are not limited: they could issue themselves keys without end. */
@Injectable()
export class KeyRateLimit {
  private readonly isOn: boolean;
  private readonly defaultQuota: number;
  private readonly windows = new Map<number, RequestWindow>();

  constructor(
    private readonly store: SharedStore,
    config: ConfigService<Environment, true>,
  ) {
    this.isOn = config.get('LIMITS', { infer: true }) === 'on';
    this.defaultQuota = config.get('KEY_RATE_LIMIT', { infer: true });
  }

  /**
   * Counts a request, and tells the caller what it has left. Undefined where nothing is limited.
   * @throws ProblemException `RATE_LIMITED`
   */
  count(principal: Principal, reply: FastifyReply): Promise<void> | undefined {
    return this.isOn && !principal.isRoot ? this.countOf(principal, reply) : undefined;
  }

  private async countOf({ keyId, rateLimit }: Principal, reply: FastifyReply): Promise<void> {
    const quota = rateLimit ?? this.defaultQuota;
    const { isExceeded, remaining, msUntilReset } = await this.windowOf(quota).count(keyId);
    const policy = { name: 'default', quota, windowSeconds: WINDOW_SECONDS };
    if (isExceeded)
      throw new ProblemException('RATE_LIMITED', {}, refusalHeaders(policy, msUntilReset));
    void reply.headers(rateLimitHeaders(policy, remaining, msUntilReset));
  }

  private windowOf(quota: number): RequestWindow {
    const known = this.windows.get(quota);
    if (known !== undefined) return known;
    const added = new RequestWindow(this.store, 'key-rate', quota, WINDOW_SECONDS);
    this.windows.set(quota, added);
    return added;
  }
}
