import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackendUnavailableError, UserNotFoundError } from './backend-errors.js';
import { CircuitBreaker, HALF_OPEN_AFTER_MS } from './circuit-breaker.js';

let breaker: CircuitBreaker;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  breaker = new CircuitBreaker();
});
afterEach(() => void vi.useRealTimers());

async function run(outcome: 'ok' | Error, times = 1): Promise<void> {
  const send = async () => {
    if (outcome !== 'ok') throw outcome;
  };
  for (let count = 0; count < times; count++) await breaker.run(send).catch(() => undefined);
}

const failure = new BackendUnavailableError('status', { status: 503 });

describe('CircuitBreaker', () => {
  it('opens when more than half of the last 20 requests failed', async () => {
    await run('ok', 20);
    await run(failure, 10);
    expect(breaker.isOpen).toBe(false);
    await run(failure);
    expect(breaker.isOpen).toBe(true);
  });

  it('stays closed until 5 requests have ended', async () => {
    await run(failure, 4);
    expect(breaker.isOpen).toBe(false);
    await run(failure);
    expect(breaker.isOpen).toBe(true);
  });

  it.each([
    new UserNotFoundError(),
    new BackendUnavailableError('rate-limited', { status: 429 }),
    new Error('the caller aborted'),
  ])('does not open because of %s', async (error) => {
    await run(error, 30);
    expect(breaker.isOpen).toBe(false);
  });

  it('closes when the backend answers the probe, even if the user does not exist', async () => {
    await run(failure, 5);
    await run('ok');
    expect(breaker.isOpen).toBe(true);
    vi.advanceTimersByTime(HALF_OPEN_AFTER_MS);
    await run(new UserNotFoundError());
    expect(breaker.isOpen).toBe(false);
  });

  it.each([failure, new Error('the caller aborted')])(
    'stays open for another second after a probe that ended with %s',
    async (error) => {
      await run(failure, 5);
      vi.advanceTimersByTime(HALF_OPEN_AFTER_MS);
      await run(error);
      expect(() => breaker.requireAdmission()).toThrow('circuit-open');
      vi.advanceTimersByTime(HALF_OPEN_AFTER_MS);
      expect(() => breaker.requireAdmission()).not.toThrow();
    },
  );

  it('ignores the outcome of a request that was sent before the circuit opened', async () => {
    let answer = () => {};
    const slow = breaker.run(() => new Promise<void>((resolve) => (answer = resolve)));
    await run(failure, 5);
    answer();
    await slow;
    expect(breaker.isOpen).toBe(true);
  });
});
