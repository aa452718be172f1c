import { describe, expect, it } from 'vitest';
import { FailureCounts } from './failure-counts.js';

describe('FailureCounts', () => {
  it('counts each source in a window of its own', () => {
    const counts = new FailureCounts(60_000);
    expect([counts.note('a', 1, 0), counts.note('a', 2, 1), counts.note('b', 1, 59_000)]).toEqual([
      1, 3, 1,
    ]);
    expect(counts.note('a', 1, 60_000)).toBe(1);
    expect(counts.note('b', 1, 60_001)).toBe(2);
    expect(counts.size).toBe(2);
  });

  it('forgets sources that have not failed for a window', () => {
    const counts = new FailureCounts(1000);
    for (let source = 0; source < 100; source++) counts.note(`s${source}`, 1, source);
    counts.note('last', 1, 5000);
    expect(counts.size).toBe(1);
  });

  it('remembers 10,000 sources at the most, the latest ones', () => {
    const counts = new FailureCounts(60_000);
    for (let source = 0; source < 1_000_000; source++) counts.note(`s${source}`, 1, 0);
    expect(counts.size).toBe(10_000);
    expect(counts.note('s999999', 1, 1)).toBe(2);
    expect(counts.note('s0', 1, 1)).toBe(1);
  });
});
