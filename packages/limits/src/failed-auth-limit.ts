import { clientNetwork } from './client-network.js';
import { SlidingWindow } from './sliding-window.js';

const WINDOW_MS = 60_000;
const MAX_NETWORKS = 10_000;
// A map is slow to iterate where many first entries were deleted, so they are evicted in batches.
const EVICTION_BATCH = 1000;

/** A failed authentication beyond the limit. */
export interface FailedAuthRefusal {
  readonly retryAfterMs: number;
  /** Whether the client network was not refused during the last minute. */
  readonly beginsEpisode: boolean;
}

interface Failures {
  readonly window: SlidingWindow;
  /** When the network was last refused. */
  refusedAt: number;
}

/**
 * Limits failed authentications in any 60 s by client network: an IPv4 address, or a /64 of IPv6. Count
 * only credentials that were found to be wrong, so that nobody can lock out right ones. Each process
 * counts by itself: strangers must not be able to fill a store or keep it busy.
 */
export class FailedAuthLimit {
  /** By network. The one that failed last is at the end. */
  private readonly networks = new Map<string, Failures>();

  /** @param quota failures that a network may have in 60 s */
  constructor(private readonly quota: number) {}

  /** How many networks are remembered. */
  get size(): number {
    return this.networks.size;
  }

  /** Counts a failed authentication from an IP address. Returns a refusal if it is over the limit. */
  count(address: string): FailedAuthRefusal | undefined {
    const failures = this.failuresOf(clientNetwork(address));
    const now = performance.now();
    if (failures.window.count(now) < this.quota) {
      failures.window.add(now);
      return undefined;
    }
    const beginsEpisode = now - failures.refusedAt > WINDOW_MS;
    failures.refusedAt = now;
    return { retryAfterMs: failures.window.msUntilLess(now), beginsEpisode };
  }

  private failuresOf(network: string): Failures {
    const known = this.networks.get(network);
    const failures = known ?? { window: new SlidingWindow(WINDOW_MS), refusedAt: -Infinity };
    this.networks.delete(network);
    this.networks.set(network, failures);
    if (this.networks.size > MAX_NETWORKS) this.evictOldest();
    return failures;
  }

  private evictOldest(): void {
    let evicted = 0;
    for (const network of this.networks.keys()) {
      this.networks.delete(network);
      evicted += 1;
      if (evicted === EVICTION_BATCH) return;
    }
  }
}
