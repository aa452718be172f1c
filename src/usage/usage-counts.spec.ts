import { describe, expect, it } from 'vitest';
import { HOUR_MS } from '../time.js';
import { UsageCounts } from './usage-counts.js';

const NOON = Date.UTC(2026, 10, 25, 12);
const USE = { keyId: 'k1', route: 'GET /api/internal/users/:id', outcome: 'admitted' };

function countsOf(...times: number[]): UsageCounts {
  const counts = new UsageCounts(3);
  for (const time of times) counts.add(USE, 1, time);
  return counts;
}

describe('UsageCounts', () => {
  it('adds up requests by key, hour, route and outcome', () => {
    const counts = countsOf(NOON, NOON + 1, NOON + HOUR_MS);
    counts.add({ ...USE, keyId: 'k2' }, 1, NOON);
    expect(counts.unwritten()).toEqual([
      { ...USE, hour: NOON, requests: 2 },
      { ...USE, hour: NOON + HOUR_MS, requests: 1 },
      { ...USE, keyId: 'k2', hour: NOON, requests: 1 },
    ]);
  });

  it('returns a saved count again only after it has grown, and then with the new total', () => {
    const counts = countsOf(NOON, NOON);
    counts.confirm(counts.unwritten(), NOON);
    expect(counts.unwritten()).toEqual([]);
    counts.add(USE, 1, NOON);
    expect(counts.unwritten()).toMatchObject([{ requests: 3 }]);
  });

  it('keeps requests that are counted during a write', () => {
    const counts = countsOf(NOON);
    const written = counts.unwritten();
    counts.add(USE, 1, NOON);
    counts.confirm(written, NOON + HOUR_MS);
    expect(counts.unwritten()).toMatchObject([{ requests: 2 }]);
  });

  it('keeps the count of a past hour until it is saved', () => {
    const counts = countsOf(NOON);
    counts.confirm([], NOON + HOUR_MS);
    expect(counts.unwritten()).toHaveLength(1);
    counts.confirm(counts.unwritten(), NOON + HOUR_MS);
    counts.add(USE, 1, NOON);
    expect(counts.unwritten()).toMatchObject([{ requests: 1 }]);
  });

  it('holds no more counts than its maximum, and reports how many requests it lost', () => {
    const counts = countsOf(NOON);
    for (const key of ['a', 'b', 'c', 'd']) counts.add({ ...USE, keyId: key }, 1, NOON);
    counts.add(USE, 1, NOON);
    expect(counts.unwritten()).toHaveLength(3);
    expect(counts.takeLost()).toBe(2);
    expect(counts.takeLost()).toBe(0);
  });
});
