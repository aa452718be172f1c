import { ConfigService } from '@nestjs/config';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Budget } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';
import { KeyRateLimit } from './key-rate-limit.js';
import { SharedStore } from './shared-store.js';

const QUOTA = 600;

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

function createLimit() {
  const config = new ConfigService<Environment, true>({ LIMITS: 'on', KEY_RATE_LIMIT: QUOTA });
  const limit = new KeyRateLimit(new SharedStore(config), config);
  /** Counts a request. Returns the response headers, and whether the request was admitted. */
  const ask = (...budgets: Budget[]) => {
    const headers: Record<string, string> = {};
    const caller = {
      keyId: '',
      isRoot: false,
      scopes: [],
      readFields: undefined,
      writeFields: undefined,
      budgets,
    };
    try {
      const waiting = limit.count(caller, {
        header: (name, value) => (headers[name] = value),
      });
      expect(waiting).toBeUndefined();
      return { isAdmitted: true, headers };
    } catch (refusal) {
      if (!(refusal instanceof ProblemException)) throw refusal;
      return { isAdmitted: false, headers: refusal.headers };
    }
  };
  const countAdmitted = (times: number, ...budgets: Budget[]) =>
    Array.from({ length: times }, () => ask(...budgets)).filter(({ isAdmitted }) => isAdmitted)
      .length;
  return { ask, countAdmitted };
}

const OWN = { keyId: 'own' };

describe('the rate limit of a key', () => {
  it.each([1, 3, 399, 6000])(
    'admits exactly its quota of %i requests in one burst',
    (rateLimit) => {
      const { countAdmitted } = createLimit();
      expect(countAdmitted(rateLimit + 100, { ...OWN, rateLimit })).toBe(rateLimit);
    },
  );

  it('does not admit its quota twice around the end of a minute', () => {
    const { ask, countAdmitted } = createLimit();
    ask(OWN);
    vi.advanceTimersByTime(58_000);
    let admitted = 0;
    for (let step = 0; step < 40; step++) {
      admitted += countAdmitted(30, OWN);
      vi.advanceTimersByTime(100);
    }
    expect(admitted).toBe(QUOTA);
  });

  it('sets headers with the remaining requests and the time until it admits more', () => {
    const { ask } = createLimit();
    expect(ask(OWN).headers).toEqual({
      'ratelimit-policy': '"default";q=600;w=60',
      ratelimit: '"default";r=599;t=60',
    });
    vi.advanceTimersByTime(23_000);
    expect(ask(OWN).headers.ratelimit).toBe('"default";r=598;t=37');
    vi.advanceTimersByTime(37_000);
    expect(ask(OWN).headers.ratelimit).toBe('"default";r=598;t=23');
  });

  it('admits a request as soon as the Retry-After of a refusal has passed, not earlier', () => {
    const { ask, countAdmitted } = createLimit();
    countAdmitted(10, OWN);
    vi.advanceTimersByTime(20_000);
    countAdmitted(QUOTA, OWN);
    const { headers } = ask(OWN);
    expect(headers['retry-after']).toBe('40');
    vi.advanceTimersByTime(39_000);
    expect(ask(OWN).isAdmitted).toBe(false);
    vi.advanceTimersByTime(1000);
    expect(countAdmitted(QUOTA, OWN)).toBe(10);
  });

  it('keeps the count of a key whose limit changes', () => {
    const { countAdmitted } = createLimit();
    expect(countAdmitted(100, { ...OWN, rateLimit: 7 })).toBe(7);
    expect(countAdmitted(100, { ...OWN, rateLimit: 10 })).toBe(3);
    expect(countAdmitted(100, { ...OWN, rateLimit: 5 })).toBe(0);
  });
});

describe('the rate limit of an issued key', () => {
  const ISSUER = { keyId: 'issuer', rateLimit: 20 };
  const CHILD = { keyId: 'child', rateLimit: 15 };
  const SIBLING = { keyId: 'sibling', rateLimit: 15 };

  it('counts requests against the limit of the issuer, too', () => {
    const { countAdmitted } = createLimit();
    expect(countAdmitted(50, CHILD, ISSUER)).toBe(15);
    expect(countAdmitted(50, SIBLING, ISSUER)).toBe(5);
    expect(countAdmitted(50, ISSUER)).toBe(0);
  });

  it('counts no refused request against the limit of the issuer', () => {
    const { countAdmitted } = createLimit();
    expect(countAdmitted(1000, CHILD, ISSUER)).toBe(15);
    expect(countAdmitted(50, ISSUER)).toBe(5);
  });

  it('sets headers for the limit that has the fewest remaining requests', () => {
    const { ask, countAdmitted } = createLimit();
    expect(ask(CHILD, ISSUER).headers.ratelimit).toMatch(/r=14;/);
    countAdmitted(10, ISSUER);
    expect(ask(CHILD, ISSUER).headers).toMatchObject({
      'ratelimit-policy': '"default";q=20;w=60',
      ratelimit: '"default";r=8;t=60',
    });
  });
});
