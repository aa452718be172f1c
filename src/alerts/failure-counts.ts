const MAX_NETWORKS = 10_000;
// A map is slow to iterate where many first entries were deleted, so they are evicted in batches.
const EVICTION_BATCH = 1000;
const SWEEP_INTERVAL_MS = 1000;

interface Failures {
  readonly since: number;
  count: number;
}

/** Counts the failures of each network in a window that begins with its first failure. Bounded in memory. */
export class FailureCounts {
  /** In the order in which their windows began. */
  private readonly networks = new Map<string, Failures>();
  private sweptAt = -Infinity;

  constructor(private readonly windowMs: number) {}

  /** Networks that failed within the last window. */
  get size(): number {
    return this.networks.size;
  }

  /** @param now milliseconds of a monotonic clock. Returns the failures of the network in its window. */
  add(network: string, added: number, now: number): number {
    this.sweep(now);
    let failures = this.networks.get(network);
    if (failures === undefined || this.isOver(failures, now)) {
      failures = { since: now, count: 0 };
      this.networks.delete(network);
      this.networks.set(network, failures);
    }
    failures.count += added;
    if (this.networks.size > MAX_NETWORKS) this.evict(EVICTION_BATCH, () => true);
    return failures.count;
  }

  private sweep(now: number): void {
    if (now - this.sweptAt < SWEEP_INTERVAL_MS) return;
    this.sweptAt = now;
    this.evict(Infinity, (failures) => this.isOver(failures, now));
  }

  /** Deletes the oldest networks while the condition holds. */
  private evict(most: number, condition: (failures: Failures) => boolean): void {
    let evicted = 0;
    for (const [network, failures] of this.networks) {
      if (evicted >= most || !condition(failures)) return;
      this.networks.delete(network);
      evicted += 1;
    }
  }

  private isOver({ since }: Failures, now: number): boolean {
    return now - since >= this.windowMs;
  }
}
