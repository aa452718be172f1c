import { describe, expect, it } from 'vitest';
import { FailureCounts } from './failure-counts.js';

describe('FailureCounts', () => {
  it('counts each network in a window of its own', () => {
    const counts = new FailureCounts(60_000);
    expect([counts.add('a', 1, 0), counts.add('a', 2, 1), counts.add('b', 1, 59_000)]).toEqual([
      1, 3, 1,
    ]);
    expect(counts.add('a', 1, 60_000)).toBe(1);
    expect(counts.add('b', 1, 60_001)).toBe(2);
    expect(counts.size).toBe(2);
  });

  it('forgets networks that have not failed for a window', () => {
    const counts = new FailureCounts(1000);
    for (let source = 0; source < 100; source++) counts.add(`s${source}`, 1, source);
    counts.add('last', 1, 5000);
    expect(counts.size).toBe(1);
  });

  it('remembers the latest 10,000 networks at most', () => {
    const counts = new FailureCounts(60_000);
    for (let source = 0; source < 1_000_000; source++) counts.add(`s${source}`, 1, 0);
    expect(counts.size).toBeLessThanOrEqual(10_000);
    expect(counts.size).toBeGreaterThanOrEqual(9000);
    expect(counts.add('s999999', 1, 1)).toBe(2);
    expect(counts.add('s0', 1, 1)).toBe(1);
  });
});
