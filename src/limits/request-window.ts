import type { QuotaPolicy } from './quota-policy.js';
import { SharedAllotment } from './shared-allotment.js';
import type { SharedStore } from './shared-store.js';
import { SlidingWindow } from '@latchkey/limits/sliding-window';

/** The part of `SharedStore` that counting needs. */
export type RequestStore = Pick<SharedStore, 'redis' | 'isUp' | 'reportFailure' | 'reportSuccess'>;

/**
 * Counts the requests of one key: always in this process, and also in the shared store while that is up. Without the store,
 * the limit still holds for each process.
 */
export class RequestWindow {
  private readonly requests: SlidingWindow;
  private readonly shared: SharedAllotment | undefined;

  constructor(
    private readonly store: RequestStore,
    keyId: string,
    private policyInForce: QuotaPolicy,
  ) {
    this.requests = new SlidingWindow(policyInForce.windowSeconds * 1000);
    if (store.redis !== undefined) this.shared = new SharedAllotment(store, store.redis, keyId);
  }

  get policy(): QuotaPolicy {
    return this.policyInForce;
  }

  /** The limit may change; the requests counted so far stay counted. */
  set policy(policy: QuotaPolicy) {
    this.policyInForce = policy;
    this.shared?.forgetRefusal();
  }

  /** Milliseconds until a request may be admitted; 0 if one may be now, as far as is known. */
  msUntilRoom(now: number): number {
    if (this.requests.count(now) >= this.policyInForce.quota) return this.requests.msUntilLess(now);
    return this.activeShare?.msUntilRoom(now) ?? 0;
  }

  /** Whether `refill` has to be awaited before a request can be judged. */
  needsRefill(now: number): boolean {
    return this.activeShare?.isEmpty(now) ?? false;
  }

  async refill(): Promise<void> {
    await this.shared?.refill(this.policy);
  }

  /** Counts a request that may be admitted. */
  take(now: number): void {
    this.requests.add(now);
    this.activeShare?.take();
  }

  /** Requests that are left after the one that was taken. */
  get remaining(): number {
    const remaining = this.policyInForce.quota - this.requests.total;
    return Math.min(remaining, this.activeShare?.remaining ?? remaining);
  }

  /** Milliseconds until more are left. */
  msUntilMore(now: number): number {
    return this.activeShare?.msUntilMore(now) ?? this.requests.msUntilLess(now);
  }

  isIdle(now: number): boolean {
    return this.requests.count(now) === 0;
  }

  private get activeShare(): SharedAllotment | undefined {
    return this.store.isUp ? this.shared : undefined;
  }
}
