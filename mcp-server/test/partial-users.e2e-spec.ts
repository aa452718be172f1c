import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServerProcess } from '../../test/support/server-process.js';
import { type TestClient, connect, sentence } from './support/clients.js';
import { ACCOUNTS, FakeBackend, USER, healthy, respond } from './support/fake-backend.js';
import { startMcp } from './support/servers.js';
import { token } from './support/tokens.js';

const HIDDEN =
  'This server is not allowed to read some user fields that the tool needs. Trying again will not help: tell the operator of this server.';
const PHONE = '+12025550147';
const CANARY = 'canary-31337';

let backend: FakeBackend;
let mcp: ServerProcess;
let client: TestClient;
beforeAll(async () => {
  backend = await FakeBackend.start();
  mcp = await startMcp({ BACKEND_API_URL: backend.url, BACKEND_FALLBACK: 'off' });
  client = await connect(mcp.url, await token('12345'));
});
afterAll(async () => {
  await client.close();
  await mcp.stop();
  await backend.stop();
});

/** Makes the backend return only these fields of the user, as if the key could read no more. */
function show(user: object, more: object = {}): void {
  backend.become(respond(200, { user, accounts: ACCOUNTS, ...more }));
}

const call = async (tool: string, args?: Record<string, unknown>) => client.callTool(tool, args);

describe('an API key that may read only some fields of users', () => {
  it('suffices for get_balance if it may read name and permissions', async () => {
    const { id, name, permissions } = USER;
    show({ id, name, permissions });
    const result = await call('get_balance');
    expect(sentence(result)).toBe('Hello John Doe! Your checking balance is $2,543.75.');
    expect(result.structuredContent).toMatchObject({ name, source: 'backend' });
  });

  it('suffices for update_phone if it may read permissions, but not phone', async () => {
    show({ id: USER.id, permissions: USER.permissions });
    const result = await call('update_phone', { phone: PHONE });
    expect(result.structuredContent).toEqual({ phone: PHONE });
  });

  it.each(['name', 'email', 'phone', 'roles', 'permissions', 'createdAt', 'lastLoginAt'])(
    'makes get_profile fail with a fixed sentence and a log line if the key may not read %s',
    async (field) => {
      show({ ...USER, [field]: undefined });
      const result = await call('get_profile');
      expect(result.isError).toBe(true);
      expect(sentence(result)).toBe(HIDDEN);
      expect(result.structuredContent).toBeUndefined();
      await expect.poll(() => mcp.output).toContain(`"tool":"get_profile","fields":["${field}"]`);
      expect(mcp.output).toContain('the API key for the backend cannot read fields');
    },
  );

  it.each([
    ['get_profile', {}],
    ['get_balance', {}],
    ['update_phone', { phone: PHONE }],
  ])('makes %s fail without a write if the key may not read permissions', async (tool, args) => {
    show({ ...USER, permissions: undefined });
    const result = await call(tool, args);
    expect(sentence(result)).toBe(HIDDEN);
    expect(backend.requests.map(({ method }) => method)).toEqual(['GET']);
  });
});

describe('a response of the backend', () => {
  it('may have fields that the MCP server does not know', async () => {
    show({ ...USER, nickname: CANARY }, { nextVersion: { of: 'everything' } });
    const result = await call('get_profile');
    expect(result.isError).toBeUndefined();
    expect(JSON.stringify(result)).not.toContain(CANARY);
  });

  it.each([
    [{ ...USER, name: [CANARY] }, 'user.name: Invalid input: expected string, received array'],
    [{ ...USER, permissions: [{ CANARY }] }, 'user.permissions.0: Invalid input: expected string'],
    [{ ...USER, createdAt: CANARY }, 'user.createdAt: Invalid ISO datetime'],
    [{ ...USER, id: `${CANARY}!` }, 'user.id: Invalid string: must match pattern'],
    [{ ...USER, id: undefined }, 'user.id: Invalid input: expected string, received undefined'],
  ])(
    'is rejected if a field is invalid, and the log contains the field but not the value',
    async (user, why) => {
      show(user);
      expect((await call('get_profile')).isError).toBe(true);
      await expect
        .poll(() => mcp.output)
        .toContain(`A response of the backend was rejected: ${why}`);
      expect(mcp.output).not.toContain(CANARY);
      await recover();
    },
  );

  it.each([
    ['the body is not JSON', 200, undefined],
    ['the status is 206', 206, {}],
  ])('is rejected with the reason in the log: %s', async (why, status, body) => {
    backend.become(
      body === undefined
        ? (socket) => void socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n${CANARY}`)
        : respond(status, body),
    );
    await call('get_profile');
    await expect.poll(() => mcp.output).toContain(`A response of the backend was rejected: ${why}`);
    expect(mcp.output).not.toContain(CANARY);
    await recover();
  });
});

/** Repeats a call until the circuit is closed. Rejected responses may have opened it. */
async function recover(): Promise<void> {
  backend.become(healthy);
  await expect.poll(async () => (await call('get_profile')).isError).toBeUndefined();
}

describe('every request to the backend', () => {
  it('names the acting user, for the audit trail', async () => {
    backend.become(healthy);
    await call('get_balance');
    await call('get_profile');
    await call('update_phone', { phone: PHONE });
    expect(backend.requests).toHaveLength(4);
    for (const { text } of backend.requests) expect(text).toMatch(/^x-acting-user: 12345\r$/im);
  });
});
