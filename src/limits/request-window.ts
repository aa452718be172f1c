import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { SharedStore } from './shared-store.js';

/** What a caller has left of its window. */
export interface Allowance {
  readonly isExceeded: boolean;
  readonly remaining: number;
  readonly msUntilReset: number;
}

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
    points: number,
    duration: number,
  ) {
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

  async count(caller: string): Promise<Allowance> {
    if (this.shared === undefined || !this.store.isUp) return allowance(this.local.consume(caller));
    try {
      return await allowance(this.shared.consume(caller));
    } catch (error) {
      this.store.reportFailure(error);
      return allowance(this.local.consume(caller));
    }
  }
}

async function allowance(consumed: Promise<RateLimiterRes>): Promise<Allowance> {
  try {
    const { remainingPoints, msBeforeNext } = await consumed;
    return { isExceeded: false, remaining: remainingPoints, msUntilReset: msBeforeNext };
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    return { isExceeded: true, remaining: 0, msUntilReset: refusal.msBeforeNext };
  }
}
