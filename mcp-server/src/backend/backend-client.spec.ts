import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseBackendEnvironment } from '../config/environment.js';
import { BackendClient, getBackendClient } from './backend-client.js';
import {
  BackendRejectedError,
  BackendUnauthorizedError,
  BackendUnavailableError,
  UserNotFoundError,
} from './backend-errors.js';
import { HALF_OPEN_AFTER_MS } from './circuit-breaker.js';

const KEY = '9f8e2b7c6d5a4f3e1b0c8d7a6e5f4b3c';

const user = (id: string) => ({
  id,
  email: `${id}@example.com`,
  name: `User ${id}`,
  phone: null,
  roles: [],
  permissions: ['read'],
  createdAt: '2025-01-01T00:00:00.000Z',
  lastLoginAt: null,
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Handler =>
  (_request, response) =>
    void response.writeHead(status, headers).end(JSON.stringify(body));

let handler: Handler;
let requests: { url: string; headers: IncomingMessage['headers']; at: number }[];
let client: BackendClient;
const server = createServer((request, response) => {
  requests.push({ url: request.url ?? '', headers: request.headers, at: performance.now() });
  handler(request, response);
});

function createClient(variables: NodeJS.ProcessEnv = {}): BackendClient {
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('The backend is not listening');
  return new BackendClient(
    parseBackendEnvironment({
      BACKEND_API_URL: `http://127.0.0.1:${address.port}`,
      BACKEND_FALLBACK: 'off',
      BACKEND_RESPONSE_TIMEOUT_MS: '3000',
      INTERNAL_API_KEY: KEY,
      ...variables,
    }),
  );
}

beforeEach(async () => {
  requests = [];
  handler = json(200, { user: user('1') });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = createClient();
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('getUserDetails', () => {
  it('requests the documented route with the key, and returns the user', async () => {
    expect(await client.getUserDetails('12345')).toEqual({ ...user('1'), source: 'backend' });
    expect(requests).toHaveLength(1);
    expect(requests[0]).toMatchObject({
      url: '/api/internal/users/12345',
      headers: { 'x-api-key': KEY },
    });
  });

  it('forwards the request id and the trace context', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await client.getUserDetails('1', {
      requestId: 'request-7',
      trace: { traceparent, tracestate: 'vendor=1' },
    });
    expect(requests[0]?.headers).toMatchObject({
      'x-request-id': 'request-7',
      traceparent,
      tracestate: 'vendor=1',
    });
  });

  it('ignores fields that it does not know', async () => {
    handler = json(200, { user: { ...user('1'), nickname: 'J' }, more: true });
    expect(await client.getUserDetails('1')).not.toHaveProperty('nickname');
  });

  it.each([
    [404, UserNotFoundError, false],
    [401, BackendUnauthorizedError, false],
    [403, BackendUnauthorizedError, false],
    [400, BackendRejectedError, false],
    [429, BackendUnavailableError, true],
    [500, BackendUnavailableError, false],
    [503, BackendUnavailableError, true],
  ])(
    'after status %i, throws an error that does not contain the API key',
    async (status, type, retryable) => {
      handler = json(status, {});
      const error: unknown = await client.getUserDetails('1').catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(type);
      expect(error).toMatchObject({ retryable });
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(KEY);
    },
  );

  it('makes no request for a malformed user id', async () => {
    await expect(client.getUserDetails('../api-keys')).rejects.toBeInstanceOf(UserNotFoundError);
    expect(requests).toEqual([]);
  });

  it.each([429, 502, 503, 504])('retries after status %i, and returns the user', async (status) => {
    handler = (request, response) =>
      json(requests.length === 1 ? status : 200, { user: user('1') })(request, response);
    expect(await client.getUserDetails('1')).toMatchObject({ source: 'backend' });
    expect(requests).toHaveLength(2);
  });

  it.each([400, 401, 403, 404, 500, 501])('does not retry after status %i', async (status) => {
    handler = json(status, {});
    await client.getUserDetails('1').catch(() => undefined);
    expect(requests).toHaveLength(1);
  });

  it('waits for the time in Retry-After before a retry', async () => {
    handler = (request, response) =>
      json(
        requests.length === 1 ? 503 : 200,
        { user: user('1') },
        { 'retry-after': '1' },
      )(request, response);
    await client.getUserDetails('1');
    expect((requests[1]?.at ?? 0) - (requests[0]?.at ?? 0)).toBeGreaterThanOrEqual(1000);
  });

  it('fails without a retry if Retry-After exceeds the total time-out', async () => {
    handler = json(503, {}, { 'retry-after': '60' });
    const startedAt = performance.now();
    await expect(client.getUserDetails('1')).rejects.toMatchObject({
      details: { retryAfterMs: 60_000 },
    });
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(requests).toHaveLength(1);
  });

  it('treats a Retry-After of more than a day as a day', async () => {
    handler = json(429, {}, { 'retry-after': '9'.repeat(400) });
    await expect(client.getUserDetails('1')).rejects.toMatchObject({
      details: { retryAfterMs: 86_400_000 },
    });
  });

  it('rejects and closes the connection when the caller aborts', async () => {
    const caller = new AbortController();
    const hungUp = new Promise<void>((resolve) => {
      handler = (_request, response) => {
        response.on('close', resolve);
        caller.abort();
      };
    });
    const call = client.getUserDetails('1', { signal: caller.signal });
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    await hungUp;
  });

  it('returns fallback data if the backend is down and BACKEND_FALLBACK is mock', async () => {
    handler = json(503, {});
    const withFallback = createClient({ BACKEND_FALLBACK: 'mock' });
    expect(await withFallback.getUserDetails('7')).toMatchObject({
      id: '7',
      name: 'Customer',
      permissions: ['read'],
      source: 'fallback',
    });
  });

  it.each([401, 403, 404])('never returns fallback data after status %i', async (status) => {
    handler = json(status, {});
    const withFallback = createClient({ BACKEND_FALLBACK: 'mock' });
    await expect(withFallback.getUserDetails('7')).rejects.toThrow(/^The backend/);
  });
});

describe('getUser', () => {
  it('never returns fallback data', async () => {
    handler = json(500, {});
    const withFallback = createClient({ BACKEND_FALLBACK: 'mock' });
    await expect(withFallback.getUser('7')).rejects.toMatchObject({ reason: 'status' });
  });
});

describe('a response that is shorter than its Content-Length', () => {
  it('causes a retry', async () => {
    handler = (request, response) => {
      if (requests.length > 1) return json(200, { user: user('1') })(request, response);
      response.writeHead(200, { 'content-length': '1000' }).write('{"user":', () => {
        response.destroy();
      });
    };
    expect(await client.getUserDetails('1')).toMatchObject({ source: 'backend' });
    expect(requests).toHaveLength(2);
  });
});

describe('an API key that has a successor', () => {
  const DEPRECATED = {
    deprecation: '@1767225600',
    sunset: 'Fri, 02 Jan 2026 00:00:00 GMT',
  };
  let folder: string;
  let warnings: unknown[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'latchkey-key-'));
    warnings = [];
    vi.spyOn(Logger.prototype, 'warn').mockImplementation((text) => void warnings.push(text));
    vi.useFakeTimers({ toFake: ['performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });

  it('causes one warning per hour, with the dates of Deprecation and Sunset', async () => {
    handler = json(200, { accounts: [] }, DEPRECATED);
    const ask = () => Promise.all([client.getAccounts('1'), client.getAccounts('2')]);
    await ask();
    vi.advanceTimersByTime(3_599_000);
    await ask();
    expect(warnings).toEqual([
      'The key for the backend was replaced on 2026-01-01T00:00:00.000Z' +
        ' and will be refused from 2026-01-02T00:00:00.000Z: give this server the new key.',
    ]);
    vi.advanceTimersByTime(1000);
    await ask();
    expect(warnings).toHaveLength(2);
  });

  it.each([
    [{ deprecation: '@1767225600' }, ' on 2026-01-01T00:00:00.000Z'],
    [{ deprecation: 'true', sunset: 'soon' }, ''],
    [{ deprecation: `@${'9'.repeat(12)}` }, ''],
  ])('causes a warning with only the valid dates of the headers %j', async (headers, date) => {
    handler = json(404, {}, headers);
    await client.getUserDetails('1').catch(() => undefined);
    expect(warnings).toEqual([
      `The key for the backend was replaced${date}: give this server the new key.`,
    ]);
  });

  it('is replaced without a warning if the key file contains the successor', async () => {
    const INTERNAL_API_KEY_FILE = join(folder, 'key');
    writeFileSync(INTERNAL_API_KEY_FILE, KEY);
    const following = createClient({ INTERNAL_API_KEY: '', INTERNAL_API_KEY_FILE });
    const successor = 'lk_live_9rT4eC39HqLyjWDarjtT1zdp7dcQ0vB8mXsK';
    handler = (request, response) =>
      json(
        200,
        { accounts: [] },
        request.headers['x-api-key'] === KEY ? DEPRECATED : {},
      )(request, response);
    writeFileSync(INTERNAL_API_KEY_FILE, `${successor}\n${KEY}\n`);
    await Promise.all([following.getAccounts('1'), following.getAccounts('2')]);
    await following.getAccounts('1');
    expect(requests.map(({ headers }) => headers['x-api-key'])).toEqual([KEY, KEY, successor]);
    expect(warnings).toEqual([]);
  });
});

describe('getUserWithAccounts', () => {
  const ACCOUNTS = [{ id: 'a1', type: 'checking', currency: 'USD', balance: '1.00' }];

  it('makes one request for the user and the accounts', async () => {
    handler = json(200, { user: user('1'), accounts: ACCOUNTS });
    expect(await client.getUserWithAccounts('1')).toEqual({
      user: { ...user('1'), source: 'backend' },
      accounts: ACCOUNTS,
    });
    expect(requests.map(({ url }) => url)).toEqual(['/api/internal/users/1?include=accounts']);
  });

  it('sends one request per event-loop tick, and returns each user’s own accounts', async () => {
    const accounts = { '1': ACCOUNTS, '2': [] };
    handler = json(200, { users: [user('2'), user('1')], nextCursor: null, accounts });
    const [first, second, absent] = await Promise.allSettled([
      client.getUserWithAccounts('1'),
      client.getUserWithAccounts('2'),
      client.getUserWithAccounts('absent'),
    ]);
    expect(requests.map(({ url }) => url)).toEqual([
      '/api/internal/users?ids=1,2,absent&include=accounts',
    ]);
    expect(first).toMatchObject({ value: { user: { id: '1' }, accounts: ACCOUNTS } });
    expect(second).toMatchObject({ value: { user: { id: '2' }, accounts: [] } });
    expect(absent).toMatchObject({ reason: { name: 'UserNotFoundError' } });
  });

  it('asks for at most 25 users per request, so that all accounts fit in a response', async () => {
    handler = json(200, { users: [], accounts: {}, nextCursor: null });
    const ids = Array.from({ length: 60 }, (_, index) => String(index));
    await Promise.allSettled(ids.map((id) => client.getUserWithAccounts(id)));
    expect(requests.map(({ url }) => url.split(',').length)).toEqual([25, 25, 10]);
  });

  it.each([
    ['a user', ['1'], { user: user('1') }],
    ['users', ['1', '2'], { users: [user('1'), user('2')] }],
    ['one of the users', ['1', '2'], { users: [user('1')], accounts: { constructor: [] } }],
  ])('rejects a response that lacks the accounts of %s', async (_title, ids, body) => {
    handler = json(200, body);
    const calls = await Promise.allSettled(ids.map((id) => client.getUserWithAccounts(id)));
    expect(calls[0]).toMatchObject({ reason: { reason: 'unusable-answer' } });
  });

  it('rejects only the call for the user whose record is invalid', async () => {
    const bodies = new Map<string, unknown>([
      ['/api/internal/users?ids=1,2&include=accounts', { users: [user('1'), { id: 2 }] }],
      ['/api/internal/users/1?include=accounts', { user: user('1'), accounts: ACCOUNTS }],
      ['/api/internal/users/2?include=accounts', { user: { id: 2 }, accounts: [] }],
    ]);
    handler = (request, response) => json(200, bodies.get(request.url ?? ''))(request, response);
    const calls = ['1', '2'].map((id) => client.getUserWithAccounts(id));
    const [readable, unreadable] = await Promise.allSettled(calls);
    expect(readable).toMatchObject({ value: { accounts: ACCOUNTS } });
    expect(unreadable).toMatchObject({ reason: { reason: 'unusable-answer' } });
  });

  it('requests the accounts separately if the user is fallback data', async () => {
    const withFallback = createClient({ BACKEND_FALLBACK: 'mock' });
    handler = (request, response) =>
      (request.url?.endsWith('/accounts') ? json(200, { accounts: ACCOUNTS }) : json(500, {}))(
        request,
        response,
      );
    expect(await withFallback.getUserWithAccounts('1')).toMatchObject({
      user: { id: '1', source: 'fallback' },
      accounts: ACCOUNTS,
    });
  });
});

describe('getUsers', () => {
  it('makes one request for all ids of an event-loop tick, and omits users that do not exist', async () => {
    handler = json(200, { users: [user('2'), user('1')], nextCursor: null });
    const [first, second] = await Promise.all([
      client.getUsers(['1', 'nobody']),
      client.getUsers(['2', '1']),
    ]);
    expect(requests.map(({ url }) => url)).toEqual(['/api/internal/users?ids=1,nobody,2']);
    expect(first.map(({ id }) => id)).toEqual(['1']);
    expect(second.map(({ id }) => id)).toEqual(['2', '1']);
  });

  it('omits malformed ids, and throws if the backend rejects the request', async () => {
    handler = json(200, { users: [user('1'), user('2')], nextCursor: null });
    const found = await client.getUsers(['1', 'bad id!', '2']);
    expect(found.map(({ id }) => id)).toEqual(['1', '2']);
    handler = json(400, {});
    await expect(client.getUsers(['1', 'bad id!', '2'])).rejects.toThrow(BackendRejectedError);
  });

  it('returns no user for a single id that does not exist', async () => {
    handler = json(404, {});
    expect(await client.getUsers(['nobody'])).toEqual([]);
  });

  it('requests up to 100 ids in a URL of up to 8 KiB', async () => {
    handler = json(200, { users: [], nextCursor: null });
    await client.getUsers(Array.from({ length: 150 }, (_, index) => String(index).padEnd(64, 'x')));
    const counts = requests.map(({ url }) => url.split(',').length);
    expect(counts).toEqual([100, 50]);
    expect(Math.max(...requests.map(({ url }) => url.length))).toBeLessThanOrEqual(8192);
  });
});

describe('calls of getUserDetails in one event-loop tick', () => {
  const USERS = { users: [user('1'), user('2')], nextCursor: null };

  it('share a request, and each call returns the user of its id', async () => {
    handler = json(200, USERS);
    const options = { requestId: 'request-1', actingUser: '1' };
    const [first, absent, second] = await Promise.allSettled([
      client.getUserDetails('1', options),
      client.getUserDetails('absent'),
      client.getUserDetails('2'),
    ]);
    expect(requests.map(({ url }) => url)).toEqual(['/api/internal/users?ids=1,absent,2']);
    // The request is for several users, so it names no acting user.
    expect(requests[0]?.headers).not.toHaveProperty('x-acting-user');
    expect(first).toMatchObject({ value: { id: '1', source: 'backend' } });
    expect(second).toMatchObject({ value: { id: '2', source: 'backend' } });
    expect(absent).toMatchObject({ reason: { name: 'UserNotFoundError' } });
    await client.getUserDetails('absent').catch(() => undefined);
    expect(requests).toHaveLength(1);
  });

  it('send one request to /users/{id} if all calls are for the same id', async () => {
    const details = await Promise.all([client.getUserDetails('1'), client.getUserDetails('1')]);
    expect(requests.map(({ url }) => url)).toEqual(['/api/internal/users/1']);
    expect(details.map(({ id }) => id)).toEqual(['1', '1']);
  });

  it('are aborted separately: the aborted call rejects immediately, and the other call continues', async () => {
    let answer = () => {};
    handler = (request, response) => {
      answer = () => json(200, USERS)(request, response);
    };
    const caller = new AbortController();
    const aborted = client.getUserDetails('1', { signal: caller.signal });
    const continued = client.getUserDetails('2', { signal: new AbortController().signal });
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    caller.abort();
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    answer();
    expect(await continued).toMatchObject({ id: '2' });
  });

  it('close the connection when all callers have aborted', async () => {
    const hungUp = new Promise<void>((resolve) => {
      handler = (_request, response) => void response.on('close', resolve);
    });
    const callers = ['1', '2'].map((id) => {
      const caller = new AbortController();
      const call = client.getUserDetails(id, { signal: caller.signal });
      return { caller, call };
    });
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    for (const { caller } of callers) caller.abort();
    const ends = await Promise.allSettled(callers.map(({ call }) => call));
    expect(ends).toMatchObject([
      { reason: { name: 'AbortError' } },
      { reason: { name: 'AbortError' } },
    ]);
    await hungUp;
  });

  it('share retries, and all fail if the shared request fails', async () => {
    handler = (request, response) =>
      json(requests.length === 1 ? 503 : 200, USERS)(request, response);
    await Promise.all([client.getUserDetails('1'), client.getUserDetails('2')]);
    expect(requests).toHaveLength(2);
    handler = json(500, {});
    const failed = [client.getUserDetails('1'), client.getUserDetails('2')];
    for (const call of failed) await expect(call).rejects.toMatchObject({ reason: 'status' });
    expect(requests).toHaveLength(3);
  });
});

describe('a backend of another version', () => {
  it('may omit all fields that the client does not require', async () => {
    handler = json(200, { user: { id: '1' } });
    expect(await client.getUserDetails('1')).toEqual({ id: '1', source: 'backend' });
    handler = json(200, { users: [{ id: '1' }, { id: '2' }] });
    expect(await client.getUsers(['1', '2'])).toEqual([{ id: '1' }, { id: '2' }]);
    const account = { type: 'checking', currency: 'USD', balance: '1.00' };
    handler = json(200, { accounts: [account] });
    expect(await client.getAccounts('1')).toEqual([account]);
  });

  it('may send fields that the client does not know', async () => {
    const added = { added: { nested: [1] } };
    handler = json(200, { users: [{ ...user('1'), ...added }, user('2')], ...added });
    expect(await client.getUsers(['1', '2'])).toEqual([user('1'), user('2')]);
    const account = { id: 'a1', type: 'checking', currency: 'USD', balance: '1.00' };
    handler = json(200, { accounts: [{ ...account, ...added }], ...added });
    expect(await client.getAccounts('1')).toEqual([account]);
  });

  it.each([
    [{ user: { ...user('1'), roles: 'secret' } }, 'user.roles: Invalid input: expected array'],
    [{ user: { id: 7 } }, 'user.id: Invalid input: expected string'],
    [{ data: 'secret' }, 'user: Invalid input: expected object'],
    ['secret', 'Invalid input: expected object'],
  ])('causes an error if it sends %j, and the log names the field', async (body, reason) => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    handler = json(200, body);
    await expect(client.getUserDetails('1')).rejects.toMatchObject({ reason: 'unusable-answer' });
    const line = String(warn.mock.calls[0]?.[0]);
    vi.restoreAllMocks();
    expect(line).toContain(`A response of the backend was rejected: ${reason}`);
    expect(line).not.toContain('secret');
  });
});

describe('updatePhone', () => {
  it('is not retried after status 503', async () => {
    handler = json(503, {});
    await expect(client.updatePhone('1', '+12025550123')).rejects.toMatchObject({
      retryable: true,
    });
    expect(requests).toHaveLength(1);
  });
});

describe('the circuit breaker', () => {
  const fail = () => client.getAccounts('1').catch((error: unknown) => error);

  it('opens after failures, admits only one probe, and closes when a probe succeeds', async () => {
    handler = json(500, {});
    for (let count = 0; count < 5; count++) await fail();
    requests = [];
    expect(await fail()).toMatchObject({ reason: 'circuit-open', retryable: true });
    expect(requests).toHaveLength(0);

    await new Promise((resolve) => setTimeout(resolve, HALF_OPEN_AFTER_MS + 50));
    await Promise.all(Array.from({ length: 50 }, fail));
    expect(requests).toHaveLength(1);

    handler = json(200, { accounts: [] });
    await new Promise((resolve) => setTimeout(resolve, HALF_OPEN_AFTER_MS + 50));
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.getAccounts('1')));
    expect(answers).toHaveLength(50);
    expect(requests).toHaveLength(51);
  });

  it('stays open when the caller of the probe aborts', async () => {
    handler = json(500, {});
    for (let count = 0; count < 5; count++) await fail();
    await new Promise((resolve) => setTimeout(resolve, HALF_OPEN_AFTER_MS + 50));
    handler = () => undefined;
    const signal = AbortSignal.timeout(50);
    await expect(client.getAccounts('1', undefined, { signal })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    expect(await fail()).toMatchObject({ reason: 'circuit-open' });
  });

  it('does not open because of users that do not exist', async () => {
    handler = json(404, {});
    for (let count = 0; count < 30; count++) {
      await client.getUserDetails(`absent-${count}`).catch(() => undefined);
    }
    expect(requests).toHaveLength(30);
  });

  it('stays open when a call is answered from the cache of absent users', async () => {
    handler = json(404, {});
    await client.getUserDetails('absent').catch(() => undefined);
    handler = json(500, {});
    for (let count = 0; count < 5; count++) await fail();
    await new Promise((resolve) => setTimeout(resolve, HALF_OPEN_AFTER_MS + 50));
    await expect(client.getUserDetails('absent')).rejects.toBeInstanceOf(UserNotFoundError);
    expect(client.calls.isCircuitOpen('accounts')).toBe(true);
  });
});

describe('an absent user', () => {
  it('is requested once, even by calls of different methods', async () => {
    handler = json(404, {});
    await expect(client.getAccounts('absent')).rejects.toBeInstanceOf(UserNotFoundError);
    await expect(client.getUserDetails('absent')).rejects.toBeInstanceOf(UserNotFoundError);
    await expect(client.updatePhone('absent', '+12025550147')).rejects.toBeInstanceOf(
      UserNotFoundError,
    );
    expect(requests.map(({ url }) => url)).toEqual(['/api/internal/users/absent/accounts']);
  });

  it('is reported to the observer at each call, although only one request is sent', async () => {
    handler = json(404, {});
    const calls: string[] = [];
    client.calls.observer = {
      onCall: (route, outcome) => void calls.push(`${route} ${outcome}`),
      onRequest: () => undefined,
      onRetry: () => undefined,
    };
    for (let count = 0; count < 3; count++) {
      await client.getUserDetails('absent').catch(() => undefined);
    }
    expect(calls).toEqual(['user not-found', 'user not-found', 'user not-found']);
    expect(requests).toHaveLength(1);
  });
});

describe('the bulkhead', () => {
  it('runs 64 requests, queues 256, and refuses the rest immediately', async () => {
    const patient = createClient({
      BACKEND_RESPONSE_TIMEOUT_MS: '30000',
      BACKEND_TOTAL_TIMEOUT_MS: '30000',
    });
    const held: ServerResponse[] = [];
    handler = (_request, response) => void held.push(response);
    let refused = 0;
    const calls = Array.from({ length: 400 }, async () => {
      const error: unknown = await patient.getAccounts('1').then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (error === undefined) return;
      expect(error).toMatchObject({ reason: 'too-many-calls', retryable: true });
      refused += 1;
    });
    await vi.waitFor(() => expect(held).toHaveLength(64), 10_000);
    expect(refused).toBe(80);
    expect(requests).toHaveLength(64);
    handler = json(200, { accounts: [] });
    for (const response of held) response.end(JSON.stringify({ accounts: [] }));
    await Promise.all(calls);
    expect(requests).toHaveLength(320);
    expect(refused).toBe(80);
  });
});

describe('getBackendClient', () => {
  it('returns the same client each time', () => {
    process.env.INTERNAL_API_KEY = KEY;
    expect(getBackendClient()).toBe(getBackendClient());
  });
});
