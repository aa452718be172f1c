import { HOUR_MS } from '../time.js';

/** What a request with a key was for, and what became of it. */
export interface KeyUse {
  readonly keyId: string;
  readonly method: string;
  readonly route: string | null;
  readonly outcome: string;
}

/** How many such requests there were in an hour. */
export interface UsageCount extends KeyUse {
  /** The beginning of the hour, in milliseconds since the epoch. */
  readonly hour: number;
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
  // A list for each key, since a key is used in few ways: to look through it costs less than to make a name for each way.
  private readonly counts = new Map<string, Count[]>();
  private size = 0;
  private lost = 0;

  constructor(private readonly maximum: number) {}

  add(use: KeyUse, requests: number, now: number): void {
    const hour = now - (now % HOUR_MS);
    const count = this.find(use, hour);
    if (count !== undefined) count.requests += requests;
    else if (this.size >= this.maximum) this.lost += requests;
    else this.begin(use, requests, hour);
  }

  /** Copies of those that have changed since they were written down. */
  unwritten(): UsageCount[] {
    const changed = [...this.counts.values()]
      .flat()
      .filter((count) => count.requests > count.written);
    return changed.map(({ keyId, method, route, outcome, hour, requests }) => {
      return { keyId, method, route, outcome, hour, requests };
    });
  }

  /** Notes what has been written down; forgets it if its hour is over. */
  confirm(counts: readonly UsageCount[], now: number): void {
    for (const written of counts) {
      const count = this.find(written, written.hour);
      if (count !== undefined) count.written = written.requests;
    }
    for (const [keyId, ofKey] of this.counts) this.forget(keyId, ofKey, now);
  }

  /** How many requests found no room since this was last asked. */
  takeLost(): number {
    const { lost } = this;
    this.lost = 0;
    return lost;
  }

  private find({ keyId, method, route, outcome }: KeyUse, hour: number): Count | undefined {
    return this.counts
      .get(keyId)
      ?.find(
        (count) =>
          count.hour === hour &&
          count.outcome === outcome &&
          count.route === route &&
          count.method === method,
      );
  }

  private begin({ keyId, method, route, outcome }: KeyUse, requests: number, hour: number): void {
    const ofKey = this.counts.get(keyId) ?? [];
    this.counts.set(keyId, ofKey);
    ofKey.push({ keyId, method, route, outcome, hour, requests, written: 0 });
    this.size += 1;
  }

  private forget(keyId: string, ofKey: Count[], now: number): void {
    const kept = ofKey.filter(
      ({ hour, requests, written }) => hour + HOUR_MS > now || requests > written,
    );
    this.size -= ofKey.length - kept.length;
    if (kept.length > 0) this.counts.set(keyId, kept);
    else this.counts.delete(keyId);
  }
}
