import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { BackendCalls, type BackendRoute } from './backend-calls.js';
import { BackendUnavailableError } from './backend-errors.js';
import type { BackendRequest } from './backend-transport.js';
import { HALF_OPEN_AFTER_MS } from './circuit-breaker.js';

const TIMEOUTS = { BACKEND_RESPONSE_TIMEOUT_MS: 1000, BACKEND_TOTAL_TIMEOUT_MS: 2000 };

let respond: (path: string) => Promise<string>;

/** Creates `BackendCalls` whose requests get the response of `respond`. */
function createCalls(): BackendCalls {
  return new BackendCalls(
    { send: async ({ path, schema }) => schema.parse(await respond(path)) },
    TIMEOUTS,
  );
}

function request(path: string): BackendRequest<string> {
  return { method: 'GET', path, schema: z.string() };
}

function send(calls: BackendCalls, route: BackendRoute, signal?: AbortSignal): Promise<string> {
  return calls.send(route, request(`/${route}`), { signal });
}

describe('calls that are aborted while they wait in the queue', () => {
  it('leave no slot of the bulkhead occupied', async () => {
    const calls = createCalls();
    let answer = (_text: string) => {};
    const answered = new Promise<string>((resolve) => (answer = resolve));
    respond = () => answered;
    const caller = new AbortController();
    const running = Array.from({ length: 64 }, () => send(calls, 'user'));
    const waiting = Array.from({ length: 256 }, () => send(calls, 'user', caller.signal));
    expect(calls.load).toEqual({ running: 64, waiting: 256 });
    caller.abort();
    await Promise.allSettled(waiting);
    answer('answer');
    await Promise.all(running);
    await vi.waitFor(() => expect(calls.load).toEqual({ running: 0, waiting: 0 }), 10_000);
    respond = async () => 'later';
    const later = Array.from({ length: 100 }, () => send(calls, 'user'));
    expect(new Set(await Promise.all(later))).toEqual(new Set(['later']));
  });
});

describe('a refusal with a long Retry-After', () => {
  it('causes no retry and consumes no retry budget', async () => {
    const calls = createCalls();
    let requests = 0;
    let retryAfterMs = 3_536_000;
    respond = async () => {
      requests += 1;
      throw new BackendUnavailableError('rate-limited', { status: 429, retryAfterMs });
    };
    for (let count = 0; count < 30; count++) await send(calls, 'user').catch(() => undefined);
    expect(requests).toBe(30);
    expect(calls.isCircuitOpen('user')).toBe(false);
    // The 30 calls raised the retry budget from 2 to 4.4 (0.08 per call), so it allows 4 retries.
    requests = 0;
    retryAfterMs = 0;
    await Promise.all([1, 2, 3].map(() => send(calls, 'user').catch(() => undefined)));
    expect(requests).toBe(3 + 4);
  });
});

describe('calls of a route that hangs', () => {
  it('occupy no bulkhead slots while they wait for the probe of the circuit breaker', async () => {
    const calls = createCalls();
    respond = async () => {
      throw new BackendUnavailableError('status', { status: 500 });
    };
    for (let failed = 0; failed < 5; failed++) await send(calls, 'user').catch(() => undefined);
    expect(calls.isCircuitOpen('user')).toBe(true);
    await sleep(HALF_OPEN_AFTER_MS + 50);
    respond = (path) =>
      path === '/user' ? new Promise<string>(() => undefined) : Promise.resolve('answer');
    const hanging = Promise.allSettled(Array.from({ length: 300 }, () => send(calls, 'user')));
    await sleep(10);
    expect(calls.load).toEqual({ running: 1, waiting: 0 });
    expect(await send(calls, 'accounts')).toBe('answer');
    const reasons = (await hanging).map((each) =>
      each.status === 'rejected' ? each.reason.reason : '',
    );
    // The probe times out, and so do calls that wait for it. All other calls fail immediately.
    expect(new Set(reasons)).toEqual(new Set(['timeout', 'circuit-open']));
  });
});
