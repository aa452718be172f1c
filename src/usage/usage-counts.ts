import { HOUR_MS } from '../time.js';

export interface UsageCount {
  readonly keyId: string;
  /** Method and pattern, such as `GET /api/internal/users/:id`. */
  readonly route: string;
  readonly outcome: string;
  /** The beginning of the hour, in milliseconds since the epoch. */
  readonly hour: number;
  readonly requests: number;
}

interface Count extends UsageCount {
  requests: number;
  written: number;
}

/**
 * Request counts of the current hour, and of earlier hours that are not saved yet. Holds at most
 * `maximum` entries. Requests that would need a further entry are counted as lost.
 */
export class UsageCounts {
  private readonly counts = new Map<string, Count>();
  private lost = 0;

  constructor(private readonly maximum: number) {}

  add(use: Omit<UsageCount, 'hour' | 'requests'>, requests: number, now: number): void {
    const hour = now - (now % HOUR_MS);
    const key = mapKey({ ...use, hour });
    const count = this.counts.get(key);
    if (count !== undefined) count.requests += requests;
    else if (this.counts.size >= this.maximum) this.lost += requests;
    else this.counts.set(key, { ...use, hour, requests, written: 0 });
  }

  /** Returns copies of the counts that changed since they were saved. */
  unwritten(): UsageCount[] {
    return [...this.counts.values()]
      .filter(({ requests, written }) => requests > written)
      .map(({ written: _written, ...count }) => count);
  }

  /** Marks counts as saved. Deletes all saved counts of past hours. */
  confirm(saved: readonly UsageCount[], now: number): void {
    for (const each of saved) {
      const count = this.counts.get(mapKey(each));
      if (count !== undefined) count.written = each.requests;
    }
    for (const [key, { hour, requests, written }] of this.counts) {
      if (hour + HOUR_MS <= now && requests === written) this.counts.delete(key);
    }
  }

  takeLost(): number {
    const { lost } = this;
    this.lost = 0;
    return lost;
  }
}

// Unique for each count, because only `route`, the last part, can contain a space.
function mapKey({ keyId, route, outcome, hour }: Omit<UsageCount, 'requests'>): string {
  return `${hour} ${keyId} ${outcome} ${route}`;
}
