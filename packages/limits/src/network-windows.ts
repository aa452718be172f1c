import { SlidingWindow } from './sliding-window.js';

const MAX_NETWORKS = 10_000;
// Evicts in batches: iteration over a map is slow after its first entries have been deleted.
const EVICTION_BATCH = 1000;
const SWEEP_INTERVAL_MS = 1000;

interface Entry {
  readonly window: SlidingWindow;
  usedAt: number;
}

/** Sliding windows for the 10,000 client networks with the latest events. */
export class NetworkWindows {
  /** Ordered by latest event: the most recent network comes last. */
  private readonly entries = new Map<string, Entry>();
  private sweptAt = -Infinity;

  constructor(private readonly windowMs: number) {}

  /** The number of stored networks, including those that the next sweep deletes. */
  get size(): number {
    return this.entries.size;
  }

  /**
   * Returns the window of a network.
   * @param now the time of the network's new event, in ms of a monotonic clock
   */
  windowOf(network: string, now: number): SlidingWindow {
    const entry = this.entries.get(network) ?? {
      window: new SlidingWindow(this.windowMs),
      usedAt: now,
    };
    entry.usedAt = now;
    this.entries.delete(network);
    this.entries.set(network, entry);
    this.sweep(now);
    return entry.window;
  }

  /** Deletes networks without an event in the window. If too many remain, deletes the oldest. */
  private sweep(now: number): void {
    const isFull = this.entries.size > MAX_NETWORKS;
    if (!isFull && now - this.sweptAt < SWEEP_INTERVAL_MS) return;
    this.sweptAt = now;
    const limit = isFull ? MAX_NETWORKS - EVICTION_BATCH : MAX_NETWORKS;
    for (const [network, { usedAt }] of this.entries) {
      if (now - usedAt < this.windowMs && this.entries.size <= limit) return;
      this.entries.delete(network);
    }
  }
}
