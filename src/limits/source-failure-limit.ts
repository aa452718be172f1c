import { sourceOf } from '@latchkey/connections/source';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../http/problem.js';
import { QuotaPolicy } from './quota-policy.js';

const WINDOW_SECONDS = 60;
const MAX_SOURCES = 10_000;
// The first entries of a set are slow to find where many before them were deleted, so not one by one.
const EVICTED_AT_ONCE = 1000;

/**
 * How many wrong keys a minute may come from one address. It is asked only once a key was found to be wrong, so that nobody
 * can keep a right key out. Each process counts by itself: strangers must not be able to fill a store or keep it busy.
 */
@Injectable()
export class SourceFailureLimit {
  private readonly isOn: boolean;
  private readonly policy: QuotaPolicy;
  private readonly limiter: RateLimiterMemory;
  /** Those counted, the one that failed last at the end. */
  private readonly sources = new Set<string>();

  constructor(config: ConfigService<Environment, true>) {
    this.isOn = config.get('LIMITS', { infer: true }) === 'on';
    const points = config.get('SOURCE_FAILURE_LIMIT', { infer: true });
    this.policy = new QuotaPolicy('failures', points, WINDOW_SECONDS);
    this.limiter = new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
  }

  /** How many sources are remembered. */
  get size(): number {
    return this.sources.size;
  }

  /**
   * Counts a wrong key that came from an address.
   * @throws ProblemException `TOO_MANY_FAILURES`
   */
  async count(address: string): Promise<void> {
    if (!this.isOn) return;
    const source = sourceOf(address);
    this.remember(source);
    try {
      await this.limiter.consume(source);
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      const headers = this.policy.refusalHeaders(refusal.msBeforeNext);
      throw new ProblemException('TOO_MANY_FAILURES', {}, headers);
    }
  }

  private remember(source: string): void {
    this.sources.delete(source);
    this.sources.add(source);
    if (this.sources.size > MAX_SOURCES) this.forgetOldest();
  }

  private forgetOldest(): void {
    let evicted = 0;
    for (const source of this.sources) {
      this.sources.delete(source);
      void this.limiter.delete(source);
      evicted += 1;
      if (evicted === EVICTED_AT_ONCE) return;
    }
  }
}
