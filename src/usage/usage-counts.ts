export const HOUR_MS = 3_600_000;

/** How many requests came with a key in an hour, for a route and an outcome. */
export interface UsageCount {
  readonly keyId: string;
  /** The beginning of the hour, in milliseconds since the epoch. */
  readonly hour: number;
  readonly route: string;
  readonly outcome: string;
  readonly requests: number;
}

interface Count extends UsageCount {
  requests: number;
  /** How many of the requests are written down. */
  written: number;
}

/**
 * Counts in memory: of the hour, and of those before that could not be written down yet. There are never more than
 * `maximum`; what would need one more is only counted as lost.
 */
export class UsageCounts {
  private readonly counts = new Map<string, Count>();
  private lost = 0;

  constructor(private readonly maximum: number) {}

  add(keyId: string, route: string, outcome: string, now: number): void {
    const hour = now - (now % HOUR_MS);
    const name = `${hour} ${keyId} ${outcome} ${route}`;
    const count = this.counts.get(name);
    if (count !== undefined) count.requests += 1;
    else if (this.counts.size >= this.maximum) this.lost += 1;
    else this.counts.set(name, { keyId, hour, route, outcome, requests: 1, written: 0 });
  }

  /** Copies of those that have changed since they were written down. */
  unwritten(): UsageCount[] {
    const changed = [...this.counts.values()].filter((count) => count.requests > count.written);
    return changed.map(({ keyId, hour, route, outcome, requests }) => {
      return { keyId, hour, route, outcome, requests };
    });
  }

  /** Notes what has been written down; forgets it if its hour is over. */
  confirm(counts: readonly UsageCount[], now: number): void {
    for (const { hour, keyId, outcome, route, requests } of counts) {
      const name = `${hour} ${keyId} ${outcome} ${route}`;
      const count = this.counts.get(name);
      if (count !== undefined) count.written = requests;
    }
    for (const [name, { hour, requests, written }] of this.counts) {
      if (hour + HOUR_MS <= now && requests === written) this.counts.delete(name);
    }
  }

  /** How many requests found no room since this was last asked. */
  takeLost(): number {
    const { lost } = this;
    this.lost = 0;
    return lost;
  }
}
