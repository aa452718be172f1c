import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callTool, sentence } from './support/clients.js';
import { ACCOUNTS, type Behaviour, FakeBackend, respond } from './support/fake-backend.js';
import type { ServerProcess } from '../../test/support/server-process.js';
import { startMcp } from './support/servers.js';
import { token } from './support/tokens.js';

let backend: FakeBackend;
let falling: ServerProcess;
let strict: ServerProcess;

beforeAll(async () => {
  backend = await FakeBackend.start();
  const BACKEND_API_URL = backend.url;
  // The default outside production.
  falling = await startMcp({ BACKEND_API_URL });
  strict = await startMcp({ BACKEND_API_URL, BACKEND_FALLBACK: 'off' });
});
afterAll(async () => {
  await falling.stop();
  await strict.stop();
  await backend.stop();
});

/** Users with a status, accounts as they should be. */
const failUsers =
  (status: number): Behaviour =>
  (socket, request) =>
    (request.path.includes('/accounts')
      ? respond(200, { accounts: ACCOUNTS })
      : respond(status, {}))(socket, request);

/** Calls a tool for another user each time, since the server remembers an absent one. */
async function call(server: ServerProcess, tool: string, args?: Record<string, unknown>) {
  return callTool(server.url, await token(randomUUID()), tool, args);
}

describe('while only the user’s details are unavailable', () => {
  it('greets the customer of the guide, labels it, and shows the real balance', async () => {
    backend.become(failUsers(503));
    const result = await call(falling, 'get_balance');
    expect(sentence(result)).toBe('Hello Customer! Your checking balance is $2,543.75.');
    expect(result.structuredContent).toMatchObject({ name: 'Customer', source: 'fallback' });
  });

  it('shows nothing where fallback is off, since the permissions are unknown', async () => {
    backend.become(failUsers(503));
    const result = await call(strict, 'get_balance');
    expect(result.isError).toBe(true);
    expect(JSON.stringify(result)).not.toContain('2,543');
  });

  it.each([401, 403, 404, 429])(
    'shows nothing after %i, although fallback is on',
    async (status) => {
      backend.become(failUsers(status));
      const result = await call(falling, 'get_balance');
      expect(result.isError).toBe(true);
      expect(JSON.stringify(result)).not.toContain('Customer');
    },
  );

  it('changes nothing', async () => {
    backend.become(failUsers(503));
    const result = await call(falling, 'update_phone', { phone: '+12025550123' });
    expect(result.isError).toBe(true);
    expect(backend.requests.every(({ method }) => method === 'GET')).toBe(true);
  });
});

describe('while the backend is unavailable', () => {
  it('shows a labelled placeholder for the profile', async () => {
    backend.become(respond(503, {}));
    const result = await call(falling, 'get_profile');
    expect(result.structuredContent).toMatchObject({ name: 'Customer', source: 'fallback' });
    expect(sentence(result)).toContain('placeholder data');
  });

  it('invents no balance', async () => {
    backend.become(respond(503, {}));
    const result = await call(falling, 'get_balance');
    expect(result.isError).toBe(true);
    expect(result.structuredContent).toBeUndefined();
  });
});
