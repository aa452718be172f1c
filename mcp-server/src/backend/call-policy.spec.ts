import { describe, expect, it } from 'vitest';
import { type Call, CallPolicy, SharedCapacity } from './call-policy.js';

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
    expect(shared.load).toEqual({ running: 64, waiting: 256 });
    caller.abort();
    await Promise.allSettled(waiting);
    answer('answer');
    await Promise.all(running);
    expect(shared.load).toEqual({ running: 0, waiting: 0 });
    const later = Array.from({ length: 100 }, () => policy.run(callOf(async () => 'later')));
    expect(new Set(await Promise.all(later))).toEqual(new Set(['later']));
  });
});
