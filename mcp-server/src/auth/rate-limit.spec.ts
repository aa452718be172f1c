import { ConfigService } from '@nestjs/config';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RateLimit } from './rate-limit.js';

let limit: RateLimit;
beforeEach(() => {
  vi.useFakeTimers();
  limit = new RateLimit(new ConfigService({ MCP_RATE_LIMIT: 3 }));
});
afterEach(() => vi.useRealTimers());

const countAfter = (milliseconds: number) => {
  vi.advanceTimersByTime(milliseconds);
  return limit.count('user:1');
};

describe('RateLimit', () => {
  it('applies the limit to any 60 s, not to each clock minute', () => {
    const [first, second, third] = [countAfter(0), countAfter(50_000), countAfter(0)];
    expect([first, second, third]).toEqual([undefined, undefined, undefined]);
    expect(countAfter(0)).toBe(10);
    // Only the first request has left the window.
    expect(countAfter(10_000)).toBeUndefined();
    expect(countAfter(0)).toBe(50);
  });

  it('counts the requests of each user separately', () => {
    for (let count = 0; count < 3; count++) limit.count('user:1');
    expect(limit.count('user:1')).toBe(60);
    expect(limit.count('user:2')).toBeUndefined();
  });
});
