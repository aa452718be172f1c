import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { QuotaPolicy } from './quota-policy.js';
import type { SharedStore } from './shared-store.js';

/**
 * Counts what callers do in a window, which opens with the first request and closes after its duration, whatever comes in
 * between. Counted in the shared store if there is one and it is up, and otherwise here.
 */
export class RequestWindow {
  private readonly local: RateLimiterMemory;
  private readonly shared: RateLimiterRedis | undefined;

  constructor(
    private readonly store: SharedStore,
    name: string,
    readonly policy: QuotaPolicy,
  ) {
    const { quota: points, windowSeconds: duration } = policy;
    this.local = new RateLimiterMemory({ points, duration });
    if (store.redis === undefined) return;
    this.shared = new RateLimiterRedis({
      storeClient: store.redis,
      keyPrefix: `latchkey:${name}`,
      points,
      duration,
      // A caller that has nothing left costs no round trip.
      inMemoryBlockOnConsumed: points,
    });
  }

  /** Counts one; throws a `RateLimiterRes` if that was one too many. */
  consume(caller: string): Promise<RateLimiterRes> {
    if (this.shared === undefined || !this.store.isUp) return this.local.consume(caller);
    return this.shared.consume(caller).catch((error: unknown) => {
      if (error instanceof RateLimiterRes) throw error;
      this.store.reportFailure(error);
      return this.local.consume(caller);
    });
  }
}
