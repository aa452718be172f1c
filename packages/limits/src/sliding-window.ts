const BUCKETS = 20;

/** Events that are counted together. All leave the window when the last of them does. */
interface Bucket {
  readonly firstAt: number;
  lastAt: number;
  events: number;
}

/**
 * Counts the events of the last `windowMs` milliseconds in buckets of a twentieth of the window.
 * An event never leaves the window early. It may leave late, by up to a twentieth of the window.
 */
export class SlidingWindow {
  /** Oldest first. */
  private readonly buckets: Bucket[] = [];
  /** The result of the latest `count`, plus the events added since. */
  total = 0;
  private readonly bucketMs: number;

  constructor(private readonly windowMs: number) {
    this.bucketMs = windowMs / BUCKETS;
  }

  /** @param now milliseconds of a monotonic clock */
  count(now: number): number {
    let oldest = this.buckets[0];
    while (oldest !== undefined && oldest.lastAt + this.windowMs <= now) {
      this.total -= oldest.events;
      this.buckets.shift();
      oldest = this.buckets[0];
    }
    return this.total;
  }

  add(now: number, events = 1): void {
    this.total += events;
    const latest = this.buckets.at(-1);
    if (latest !== undefined && now < latest.firstAt + this.bucketMs) {
      latest.lastAt = now;
      latest.events += events;
    } else {
      this.buckets.push({ firstAt: now, lastAt: now, events });
    }
  }

  /** Returns the milliseconds until the count decreases. */
  msUntilLess(now: number): number {
    const oldest = this.buckets[0];
    return oldest === undefined ? 0 : oldest.lastAt - now + this.windowMs;
  }
}
