import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callTool, sentence } from './support/clients.js';
import { ACCOUNTS, type Behaviour, FakeBackend, respond } from './support/fake-backend.js';
import type { ServerProcess } from '../../test/support/server-process.js';
import { startMcp } from './support/servers.js';
import { token } from './support/tokens.js';

let backend: FakeBackend;
let withFallback: ServerProcess;
let withoutFallback: ServerProcess;

beforeAll(async () => {
  backend = await FakeBackend.start();
  const BACKEND_API_URL = backend.url;
  // Outside production, fallback data is on by default.
  withFallback = await startMcp({ BACKEND_API_URL });
  withoutFallback = await startMcp({ BACKEND_API_URL, BACKEND_FALLBACK: 'off' });
});
afterAll(async () => {
  await withFallback.stop();
  await withoutFallback.stop();
  await backend.stop();
});

/** Requests for users get this status; requests for accounts get the accounts. */
const failUsers =
  (status: number): Behaviour =>
  (socket, request) =>
    (request.path.includes('/accounts')
      ? respond(200, { accounts: ACCOUNTS })
      : respond(status, {}))(socket, request);

/** Calls a tool for a new user each time, because the server caches the ids of absent users. */
async function call(server: ServerProcess, tool: string, args?: Record<string, unknown>) {
  return callTool(server.url, await token(randomUUID()), tool, args);
}

describe('while only the user’s details are unavailable', () => {
  it('get_balance shows a name labelled as fallback, and the real balance', async () => {
    backend.become(failUsers(503));
    const result = await call(withFallback, 'get_balance');
    expect(sentence(result)).toBe('Hello Customer! Your checking balance is $2,543.75.');
    expect(result.structuredContent).toMatchObject({ name: 'Customer', source: 'fallback' });
  });

  it('get_balance fails if fallback is off, because the permissions are unknown', async () => {
    backend.become(failUsers(503));
    const result = await call(withoutFallback, 'get_balance');
    expect(result.isError).toBe(true);
    expect(JSON.stringify(result)).not.toContain('2,543');
  });

  it.each([401, 403, 404, 429])(
    'get_balance fails after status %i, even if fallback is on',
    async (status) => {
      backend.become(failUsers(status));
      const result = await call(withFallback, 'get_balance');
      expect(result.isError).toBe(true);
      expect(JSON.stringify(result)).not.toContain('Customer');
    },
  );

  it('update_phone fails and sends no write', async () => {
    backend.become(failUsers(503));
    const result = await call(withFallback, 'update_phone', { phone: '+12025550123' });
    expect(result.isError).toBe(true);
    expect(backend.requests.every(({ method }) => method === 'GET')).toBe(true);
  });
});

describe('while the backend is unavailable', () => {
  it('get_profile shows placeholder data, labelled as fallback', async () => {
    backend.become(respond(503, {}));
    const result = await call(withFallback, 'get_profile');
    expect(result.structuredContent).toMatchObject({ name: 'Customer', source: 'fallback' });
    expect(sentence(result)).toContain('placeholder data');
  });

  it('get_balance fails and shows no balance', async () => {
    backend.become(respond(503, {}));
    const result = await call(withFallback, 'get_balance');
    expect(result.isError).toBe(true);
    expect(result.structuredContent).toBeUndefined();
  });
});
