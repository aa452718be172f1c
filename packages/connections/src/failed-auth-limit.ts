import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { sourceOf } from './source.js';

const WINDOW_SECONDS = 60;
const MAX_NETWORKS = 10_000;
// A set is slow to iterate where many first entries were deleted, so they are evicted in batches.
const EVICTION_BATCH = 1000;

/** A failed authentication beyond the limit. */
export interface FailedAuthRefusal {
  readonly retryAfterMs: number;
  /** Whether the client network was under the limit during the last minute. */
  readonly beginsEpisode: boolean;
}

/**
 * Limits failed authentications a minute by client network: an IPv4 address, or a /64 of IPv6. Count
 * only credentials that were found to be wrong, so that nobody can lock out right ones.
 */
export class FailedAuthLimit {
  private readonly limiter: RateLimiterMemory;
  /** When each network was last refused, or -Infinity. The one that failed last is at the end. */
  private readonly networks = new Map<string, number>();

  /** @param perMinute failures that a network may have in a minute */
  constructor(perMinute: number) {
    this.limiter = new RateLimiterMemory({ points: perMinute, duration: WINDOW_SECONDS });
  }

  /** How many networks are remembered. */
  get size(): number {
    return this.networks.size;
  }

  /** Counts a failed authentication from an IP address. Returns a refusal if it is over the limit. */
  async count(address: string): Promise<FailedAuthRefusal | undefined> {
    const network = sourceOf(address);
    try {
      await this.limiter.consume(network);
      this.remember(network, this.refusedAt(network));
      return undefined;
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      const now = performance.now();
      const beginsEpisode = now - this.refusedAt(network) > WINDOW_SECONDS * 1000;
      this.remember(network, now);
      return { retryAfterMs: refusal.msBeforeNext, beginsEpisode };
    }
  }

  private refusedAt(network: string): number {
    return this.networks.get(network) ?? -Infinity;
  }

  private remember(network: string, refusedAt: number): void {
    this.networks.delete(network);
    this.networks.set(network, refusedAt);
    if (this.networks.size > MAX_NETWORKS) this.evictOldest();
  }

  private evictOldest(): void {
    let evicted = 0;
    for (const network of this.networks.keys()) {
      this.networks.delete(network);
      void this.limiter.delete(network);
      evicted += 1;
      if (evicted === EVICTION_BATCH) return;
    }
  }
}
