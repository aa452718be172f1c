import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlidingWindow } from './sliding-window.js';

const WINDOW_MS = 60_000;

/** Returns the arrivals that a limit admits. */
function admit(arrivals: readonly number[], limit: number): number[] {
  const window = new SlidingWindow(WINDOW_MS);
  return arrivals.filter((at) => {
    if (window.count(at) >= limit) return false;
    window.add(at);
    return true;
  });
}

/** Returns the largest number of events in any window that begins at an event. */
function fullestWindow(events: readonly number[]): number {
  const sizes = events.map(
    (start) => events.filter((at) => at >= start && at < start + WINDOW_MS).length,
  );
  return Math.max(0, ...sizes);
}

const inOrder = (gaps: readonly number[]): number[] => {
  let now = 0;
  return gaps.map((gap) => (now += gap));
};

describe('a sliding window', () => {
  it('admits no more than the limit in any window, whenever requests arrive', () => {
    const gap = fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 2 * WINDOW_MS }),
    );
    fc.assert(
      fc.property(
        fc.array(gap, { maxLength: 300 }),
        fc.integer({ min: 1, max: 40 }),
        (gaps, limit) => {
          expect(fullestWindow(admit(inOrder(gaps), limit))).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 500 },
    );
  });

  // An event may stay in the window for up to 1.05 times the length of the window.
  it('admits a request if fewer than `limit` requests were admitted in the last 1.05 windows', () => {
    const gap = fc.integer({ min: 0, max: 5000 });
    fc.assert(
      fc.property(
        fc.array(gap, { maxLength: 300 }),
        fc.integer({ min: 1, max: 40 }),
        (gaps, limit) => {
          const arrivals = inOrder(gaps);
          const admitted = admit(arrivals, limit);
          for (const at of arrivals) {
            const recent = admitted.filter((each) => each <= at && each > at - 1.05 * WINDOW_MS);
            expect(recent.length >= limit || admitted.includes(at)).toBe(true);
          }
        },
      ),
    );
  });

  it.each([1, 3, 6000])(
    'admits %i requests at the same time, and as many again one window later',
    (limit) => {
      const burst = (at: number) => Array.from({ length: limit + 1 }, () => at);
      const arrivals = [...burst(500), ...burst(60_499), ...burst(60_500)];
      const admitted = admit(arrivals, limit);
      expect(admitted.filter((at) => at === 500)).toHaveLength(limit);
      expect(admitted.filter((at) => at === 60_499)).toHaveLength(0);
      expect(admitted.filter((at) => at === 60_500)).toHaveLength(limit);
    },
  );

  it('does not admit twice the limit across the edge of a minute', () => {
    const arrivals = Array.from({ length: 1200 }, (_, index) => 58_000 + index * (4000 / 1200));
    expect(fullestWindow(admit([0, ...arrivals], 600))).toBe(600);
  });

  it('returns the time until the count decreases', () => {
    const window = new SlidingWindow(WINDOW_MS);
    window.add(1000);
    window.add(2000);
    window.add(30_000);
    expect(window.msUntilLess(40_000)).toBe(22_000);
    expect(window.count(61_999)).toBe(3);
    expect(window.count(62_000)).toBe(1);
    expect(window.msUntilLess(62_000)).toBe(28_000);
  });
});
