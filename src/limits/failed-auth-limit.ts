import { sourceOf } from '@latchkey/connections/source';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';
import { QuotaPolicy } from './quota-policy.js';
import { SlidingWindow } from './sliding-window.js';

const WINDOW_SECONDS = 60;
const MAX_NETWORKS = 10_000;
// The first entries of a map are slow to find where many before them were deleted, so not one by one.
const EVICTED_AT_ONCE = 1000;

/**
 * Limits the wrong keys that may come from one client network in any 60 s. It is asked only once a key was found to be
 * wrong, so that nobody can keep a right key out. Each process counts by itself: strangers must not be able to fill a store
 * or keep it busy.
 */
@Injectable()
export class FailedAuthLimit {
  private readonly isOn: boolean;
  private readonly policy: QuotaPolicy;
  /** By network, the one that failed last at the end. */
  private readonly failures = new Map<string, SlidingWindow>();

  constructor(config: ConfigService<Environment, true>) {
    this.isOn = config.get('LIMITS', { infer: true }) === 'on';
    const quota = config.get('SOURCE_FAILURE_LIMIT', { infer: true });
    this.policy = new QuotaPolicy('failures', quota, WINDOW_SECONDS);
  }

  /** Networks that are remembered. */
  get size(): number {
    return this.failures.size;
  }

  /**
   * Counts a wrong key that came from an address.
   * @throws ProblemException `TOO_MANY_FAILURES`
   */
  count(address: string): void {
    if (!this.isOn) return;
    const failures = this.failuresOf(sourceOf(address));
    const now = performance.now();
    if (failures.count(now) >= this.policy.quota) {
      const headers = this.policy.refusalHeaders(failures.msUntilLess(now));
      throw new ProblemException('TOO_MANY_FAILURES', {}, headers);
    }
    failures.add(now);
  }

  private failuresOf(network: string): SlidingWindow {
    const failures = this.failures.get(network) ?? new SlidingWindow(WINDOW_SECONDS * 1000);
    this.failures.delete(network);
    this.failures.set(network, failures);
    if (this.failures.size > MAX_NETWORKS) this.evictOldest();
    return failures;
  }

  private evictOldest(): void {
    let evicted = 0;
    for (const network of this.failures.keys()) {
      this.failures.delete(network);
      evicted += 1;
      if (evicted === EVICTED_AT_ONCE) return;
    }
  }
}
