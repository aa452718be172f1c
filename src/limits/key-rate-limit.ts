import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { RateLimiterRes } from 'rate-limiter-flexible';
import type { FastifyReply } from 'fastify';
import type { Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../http/problem.js';
import { QuotaPolicy } from './quota-policy.js';
import { type Allowance, RequestWindow } from './request-window.js';
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
   * Counts a request, and tells the caller what it has left. A promise only where that has to be waited for.
   * @throws ProblemException `RATE_LIMITED`
   */
  count(principal: Principal, reply: FastifyReply): Promise<void> | undefined {
    if (!this.isOn || principal.isRoot) return undefined;
    const { keyId, rateLimit } = principal;
    const window = this.windowOf(rateLimit ?? this.defaultQuota);
    const allowance = window.take(keyId);
    if (allowance === undefined) return this.countNext(window, keyId, reply);
    tell(window.policy, allowance, reply);
    return undefined;
  }

  private async countNext(
    window: RequestWindow,
    keyId: string,
    reply: FastifyReply,
  ): Promise<void> {
    try {
      tell(window.policy, await window.takeNext(keyId), reply);
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      const headers = window.policy.refusalHeaders(refusal.msBeforeNext);
      throw new ProblemException('RATE_LIMITED', {}, headers);
    }
  }

  private windowOf(quota: number): RequestWindow {
    const known = this.windows.get(quota);
    if (known !== undefined) return known;
    const policy = new QuotaPolicy('default', quota, WINDOW_SECONDS);
    const added = new RequestWindow(this.store, 'key-rate', policy);
    this.windows.set(quota, added);
    return added;
  }
}

function tell(policy: QuotaPolicy, allowance: Allowance, reply: FastifyReply): void {
  void reply.header('ratelimit-policy', policy.header);
  void reply.header('ratelimit', policy.allowance(allowance.remaining, allowance.msUntilReset));
}
