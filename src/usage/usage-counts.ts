import { HOUR_MS } from '../time.js';

/** The route and outcome of a request with a key. */
export interface KeyUse {
  readonly keyId: string;
  readonly method: string;
  readonly route: string | null;
  readonly outcome: string;
}

/** The number of such requests in an hour. */
export interface UsageCount extends KeyUse {
  /** The beginning of the hour, in milliseconds since the epoch. */
  readonly hour: number;
  readonly requests: number;
}

interface Count extends UsageCount {
  requests: number;
  /** The number of requests that are saved. */
  written: number;
}

/**
 * Counts in memory: of the current hour, and of earlier hours that could not be saved yet. There are at most `maximum`
 * counts; requests beyond are only counted as lost.
 */
export class UsageCounts {
  // A list for each key: a key has few routes and outcomes, and a search costs less than making a map key.
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

  /** Copies of the counts that have changed since they were saved. */
  unwritten(): UsageCount[] {
    const changed = [...this.counts.values()]
      .flat()
      .filter((count) => count.requests > count.written);
    return changed.map(({ keyId, method, route, outcome, hour, requests }) => {
      return { keyId, method, route, outcome, hour, requests };
    });
  }

  /** Marks counts as saved, and deletes those whose hour is over. */
  confirm(counts: readonly UsageCount[], now: number): void {
    for (const written of counts) {
      const count = this.find(written, written.hour);
      if (count !== undefined) count.written = written.requests;
    }
    for (const [keyId, ofKey] of this.counts) this.forget(keyId, ofKey, now);
  }

  /** Returns the number of lost requests since the last call. */
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
