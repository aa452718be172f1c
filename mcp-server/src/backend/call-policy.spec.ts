import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { BackendUnavailableError } from './backend-errors.js';
import { type Call, CallPolicy, SharedCapacity } from './call-policy.js';
import { HALF_OPEN_AFTER_MS } from './circuit-breaker.js';

const LIMITS = { responseTimeoutMs: 1000, totalTimeoutMs: 2000 };

function callOf(attempt: () => Promise<string>, signal?: AbortSignal): Call<string> {
  return { attempt, repeatable: false, signal };
}

describe('calls that were left while they waited', () => {
  it('keep no places from those that come later', async () => {
    const shared = new SharedCapacity();
    const policy = new CallPolicy(LIMITS, shared);
    let answer = (_text: string) => {};
    const answered = new Promise<string>((resolve) => (answer = resolve));
    const caller = new AbortController();
    const running = Array.from({ length: 64 }, () => policy.run(callOf(() => answered)));
    const waiting = Array.from({ length: 256 }, () =>
      policy.run(callOf(() => answered, caller.signal)),
    );
    expect(shared.bulkhead.load).toEqual({ running: 64, waiting: 256 });
    caller.abort();
    await Promise.allSettled(waiting);
    answer('answer');
    await Promise.all(running);
    await vi.waitFor(
      () => expect(shared.bulkhead.load).toEqual({ running: 0, waiting: 0 }),
      10_000,
    );
    const later = Array.from({ length: 100 }, () => policy.run(callOf(async () => 'later')));
    expect(new Set(await Promise.all(later))).toEqual(new Set(['later']));
  });
});

describe('a refusal with a long Retry-After', () => {
  it('is neither retried nor paid from the retry budget', async () => {
    const shared = new SharedCapacity();
    const policy = new CallPolicy(LIMITS, shared);
    let attempts = 0;
    const attempt = async () => {
      attempts += 1;
      const details = { status: 429, retryAfterMs: 3_536_000 };
      throw new BackendUnavailableError('rate-limited', true, details);
    };
    for (let count = 0; count < 30; count++) {
      await policy.run({ attempt, repeatable: true }).catch(() => undefined);
    }
    expect(attempts).toBe(30);
    expect(policy.isCircuitOpen).toBe(false);
    const left = Array.from({ length: 10 }, () => shared.takeRetry());
    // The 30 calls have paid in 2.4 retries, in addition to the 2 of the beginning.
    expect(left.filter(Boolean)).toHaveLength(4);
  });
});

describe('calls of a route that hangs', () => {
  const fail = callOf(async () => {
    throw new BackendUnavailableError('status', false);
  });
  const hang = callOf(() => new Promise<string>(() => undefined));

  it('take no places from other routes while one of them tries whether it is back', async () => {
    const shared = new SharedCapacity();
    const broken = new CallPolicy(LIMITS, shared);
    const good = new CallPolicy(LIMITS, shared);
    for (let failed = 0; failed < 5; failed++) await broken.run(fail).catch(() => undefined);
    expect(broken.isCircuitOpen).toBe(true);
    await sleep(HALF_OPEN_AFTER_MS + 50);
    const hanging = Promise.allSettled(Array.from({ length: 300 }, () => broken.run(hang)));
    await sleep(10);
    expect(shared.bulkhead.load).toEqual({ running: 1, waiting: 0 });
    expect(await good.run(callOf(async () => 'answer'))).toBe('answer');
    const reasons = (await hanging).map((each) =>
      each.status === 'rejected' ? each.reason.reason : '',
    );
    // The probe times out, and so do the calls that wait for it; the rest is refused at once.
    expect(new Set(reasons)).toEqual(new Set(['timeout', 'circuit-open']));
  });
});
