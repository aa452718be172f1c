import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { QuotaPolicy } from './quota-policy.js';
import type { SharedStore } from './shared-store.js';

// Of the quota: what is taken at once, and may be lost where several processes share it.
const ALLOTMENT_SHARE = 1 / 400;

/** What a caller has left of its window. */
export interface Allowance {
  readonly remaining: number;
  readonly msUntilReset: number;
}

/** Requests of a caller that this process has counted already, and that are still to come. */
interface Allotment {
  left: number;
  /** What there was in the window besides. */
  readonly remaining: number;
  /** Milliseconds of the process's clock. */
  readonly endsAt: number;
}

/**
 * Counts what callers do in a window, which opens with the first request and closes after its duration, whatever comes in
 * between. Counted in the shared store if there is one and it is up, and otherwise here; and for many requests at once, so that few
 * of them wait for it.
 */
export class RequestWindow {
  private readonly local: RateLimiterMemory;
  private readonly shared: RateLimiterRedis | undefined;
  private readonly allotments = new Map<string, Allotment>();
  private readonly refills = new Map<string, Promise<void>>();

  constructor(
    private readonly store: Pick<SharedStore, 'redis' | 'isUp' | 'reportFailure' | 'reportSuccess'>,
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

  /** Counts one, if it can do so at once; otherwise `takeNext` can. */
  take(caller: string): Allowance | undefined {
    const allotment = this.allotments.get(caller);
    if (allotment === undefined || allotment.left === 0) return undefined;
    const msUntilReset = allotment.endsAt - performance.now();
    if (msUntilReset <= 0) return undefined;
    allotment.left -= 1;
    return { remaining: allotment.remaining + allotment.left, msUntilReset };
  }

  /** Counts one; throws a `RateLimiterRes` if that was one too many. */
  async takeNext(caller: string): Promise<Allowance> {
    let taken: Allowance | undefined;
    while ((taken = this.take(caller)) === undefined) {
      // All who wait share one refill, which may not be enough for them all.
      const refill = this.refills.get(caller) ?? this.refill(caller);
      await refill;
    }
    return taken;
  }

  private refill(caller: string): Promise<void> {
    const refill = this.allot(caller).finally(() => this.refills.delete(caller));
    this.refills.set(caller, refill);
    return refill;
  }

  private async allot(caller: string): Promise<void> {
    const points = this.allotmentOf(caller);
    const { remainingPoints, msBeforeNext } = await this.consume(caller, points);
    const endsAt = performance.now() + msBeforeNext;
    this.allotments.set(caller, { left: points, remaining: remainingPoints, endsAt });
  }

  /** Not more than there seems to be, since what is refused is refused as a whole. */
  private allotmentOf(caller: string): number {
    const { quota } = this.policy;
    const known = this.allotments.get(caller);
    const isOver = known === undefined || known.endsAt <= performance.now();
    const available = isOver ? quota : known.remaining;
    return Math.max(1, Math.min(Math.floor(quota * ALLOTMENT_SHARE), available));
  }

  private async consume(caller: string, points: number): Promise<RateLimiterRes> {
    if (this.shared === undefined || !this.store.isUp) return this.local.consume(caller, points);
    try {
      const result = await this.shared.consume(caller, points);
      this.store.reportSuccess();
      return result;
    } catch (error) {
      if (error instanceof RateLimiterRes) throw error;
      this.store.reportFailure(error);
      return this.local.consume(caller, points);
    }
  }
}
