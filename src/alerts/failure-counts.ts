const MAX_SOURCES = 10_000;

interface Failures {
  readonly since: number;
  count: number;
}

/** Counts the failures of each source in a window that begins with its first one. Remembers a bounded number of sources. */
export class FailureCounts {
  // In the order of their windows' beginnings.
  private readonly sources = new Map<string, Failures>();
  // Kept, since a new one would step over all that was deleted before.
  private order = this.sources.entries();
  private oldest: [source: string, failures: Failures] | undefined;

  constructor(private readonly windowMs: number) {}

  /** Counts some at a time of the monotonic clock, and answers with the source's failures in its window. */
  note(source: string, added: number, now: number): number {
    this.forgetBefore(now - this.windowMs);
    const failures = this.sources.get(source) ?? { since: now, count: 0 };
    failures.count += added;
    this.sources.set(source, failures);
    if (this.sources.size > MAX_SOURCES) this.forget(this.findOldest());
    return failures.count;
  }

  /** How many sources have failed lately. */
  get size(): number {
    return this.sources.size;
  }

  private forgetBefore(time: number): void {
    for (let oldest = this.findOldest(); oldest !== undefined; oldest = this.findOldest()) {
      if (oldest[1].since > time) return;
      this.forget(oldest);
    }
  }

  private forget(oldest: [source: string, failures: Failures] | undefined): void {
    if (oldest !== undefined) this.sources.delete(oldest[0]);
    this.oldest = undefined;
  }

  private findOldest(): [source: string, failures: Failures] | undefined {
    if (this.oldest !== undefined || this.sources.size === 0) return this.oldest;
    const next = this.order.next();
    if (next.done) {
      // An iterator that has ended stays so.
      this.order = this.sources.entries();
      this.oldest = this.order.next().value;
    } else this.oldest = next.value;
    return this.oldest;
  }
}
