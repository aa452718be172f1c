import { RateLimiterRes } from 'rate-limiter-flexible';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { QuotaPolicy } from './quota-policy.js';
import { RequestWindow } from './request-window.js';

const HERE = {
  redis: undefined,
  isUp: false,
  reportFailure: () => undefined,
  reportSuccess: () => undefined,
};

function createWindow(quota: number): RequestWindow {
  return new RequestWindow(HERE, 'test', new QuotaPolicy('default', quota, 60));
}

/** How many of so many requests at once were admitted. */
async function ask(window: RequestWindow, caller: string, times: number): Promise<number> {
  const asked = Array.from(
    { length: times },
    async () => window.take(caller) ?? window.takeNext(caller),
  );
  const answers = await Promise.allSettled(asked);
  return answers.filter(({ status }) => status === 'fulfilled').length;
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('a window', () => {
  it.each([1, 7, 399, 400, 6000])('of %i admits so many, and no more', async (quota) => {
    const window = createWindow(quota);
    expect(await ask(window, 'a', quota - 1)).toBe(quota - 1);
    expect(await ask(window, 'a', 100)).toBe(1);
  });

  it('counts down by one for each request', async () => {
    const window = createWindow(10_000);
    const left: number[] = [];
    for (let time = 0; time < 60; time++) {
      left.push((window.take('a') ?? (await window.takeNext('a'))).remaining);
    }
    expect(left).toEqual(Array.from({ length: 60 }, (_, time) => 9999 - time));
  });

  it('begins anew after its duration, with all of the quota', async () => {
    const window = createWindow(1000);
    await ask(window, 'a', 1001);
    await vi.advanceTimersByTimeAsync(59_000);
    await expect(window.takeNext('a')).rejects.toBeInstanceOf(RateLimiterRes);
    await vi.advanceTimersByTimeAsync(2000);
    expect(await ask(window, 'a', 1001)).toBe(1000);
  });

  it('is one for each caller', async () => {
    const window = createWindow(1000);
    expect(await ask(window, 'a', 1001)).toBe(1000);
    expect(await ask(window, 'b', 1001)).toBe(1000);
  });
});
