import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FailedAuthLimit } from './failed-auth-limit.js';

const PER_MINUTE = 3;

let limit: FailedAuthLimit;
beforeEach(() => {
  vi.useFakeTimers();
  limit = new FailedAuthLimit(PER_MINUTE);
});
afterEach(() => vi.useRealTimers());

function fail(address: string, times: number): void {
  for (let count = 0; count < times; count++) limit.count(address);
}

describe('FailedAuthLimit', () => {
  it('refuses a network at the limit until its failures are a minute old', () => {
    fail('192.0.2.1', PER_MINUTE);
    vi.advanceTimersByTime(20_000);
    expect(limit.count('192.0.2.1')).toMatchObject({ retryAfterMs: 40_000 });
    vi.advanceTimersByTime(40_000);
    expect(limit.count('192.0.2.1')).toBeUndefined();
  });

  it('counts all addresses of an IPv6 /64 together, and other networks separately', () => {
    fail('2001:db8::1', PER_MINUTE);
    expect(limit.count('2001:db8::2')).toBeDefined();
    expect(limit.count('2001:db8:0:1::1')).toBeUndefined();
    expect(limit.count('192.0.2.1')).toBeUndefined();
  });

  it('begins only one incident for failures that continue without a pause', () => {
    const begun = [];
    for (let second = 0; second < 600; second++) {
      const [first, next] = [limit.count('192.0.2.1'), limit.count('192.0.2.1')];
      if (first?.beginsIncident || next?.beginsIncident) begun.push(second);
      vi.advanceTimersByTime(1000);
    }
    expect(begun).toEqual([1]);
  });

  it('begins another incident after a minute without a refusal', () => {
    fail('192.0.2.1', PER_MINUTE);
    expect(limit.count('192.0.2.1')).toMatchObject({ beginsIncident: true });
    vi.advanceTimersByTime(60_001);
    fail('192.0.2.1', PER_MINUTE);
    expect(limit.count('192.0.2.1')).toMatchObject({ beginsIncident: true });
  });

  it('begins one incident for simultaneous failures', () => {
    const refusals = Array.from({ length: 20 }, () => limit.count('192.0.2.1'));
    expect(refusals.filter((refusal) => refusal?.beginsIncident)).toHaveLength(1);
    expect(refusals.filter((refusal) => refusal === undefined)).toHaveLength(PER_MINUTE);
  });
});
