import { SlidingWindow } from './sliding-window.js';

const MAX_NETWORKS = 10_000;
// A map is slow to iterate where many first entries were deleted, so they are evicted in batches.
const EVICTION_BATCH = 1000;
const SWEEP_INTERVAL_MS = 1000;

interface Entry {
  readonly window: SlidingWindow;
  usedAt: number;
}

/** A sliding window for each of the latest 10,000 client networks. */
export class NetworkWindows {
  /** The network of the latest event comes last. */
  private readonly entries = new Map<string, Entry>();
  private sweptAt = -Infinity;

  constructor(private readonly windowMs: number) {}

  /** Networks with an event within the window, or up to 1 s before. */
  get size(): number {
    return this.entries.size;
  }

  /** Returns the window of a network with an event at `now`, in ms of a monotonic clock. */
  windowOf(network: string, now: number): SlidingWindow {
    this.sweep(now);
    const entry = this.entries.get(network) ?? {
      window: new SlidingWindow(this.windowMs),
      usedAt: now,
    };
    entry.usedAt = now;
    this.entries.delete(network);
    this.entries.set(network, entry);
    if (this.entries.size > MAX_NETWORKS) this.evict(EVICTION_BATCH);
    return entry.window;
  }

  private sweep(now: number): void {
    if (now - this.sweptAt < SWEEP_INTERVAL_MS) return;
    this.sweptAt = now;
    for (const [network, { usedAt }] of this.entries) {
      if (now - usedAt < this.windowMs) return;
      this.entries.delete(network);
    }
  }

  private evict(count: number): void {
    let left = count;
    for (const network of this.entries.keys()) {
      if (left-- === 0) return;
      this.entries.delete(network);
    }
  }
}
