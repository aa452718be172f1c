import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueKey } from '../../test/support/keys.js';
import type { ServerProcess } from '../../test/support/server-process.js';
import { addUser } from '../../test/support/users.js';
import { type TestClient, callTool, connect, sentence } from './support/clients.js';
import { API_KEY, startMcp } from './support/servers.js';
import { useStack } from './support/stack.js';
import { token } from './support/tokens.js';

const SCOPES = ['users:read', 'users:write', 'accounts:read'];
// More than KEY_MISSES_LIMIT, so that the test fails if each repeated look-up counts as a miss.
const CALLS = 1100;
const CONCURRENCY = 10;
const MAX_REQUESTS = 200;
const PHONE = '+12025550147';
const NO_USER = 'There is no user for this access token. Trying again will not help.';

const stack = useStack();
let mcp: ServerProcess;
let client: TestClient;

beforeAll(async () => {
  const BACKEND_API_URL = stack.backend.origin;
  // An issued key, because the backend does not limit root keys.
  const key = await issueKey(BACKEND_API_URL, { name: 'mcp-server', scopes: SCOPES }, API_KEY);
  mcp = await startMcp({ BACKEND_API_URL, INTERNAL_API_KEY: key.secret, BACKEND_FALLBACK: 'off' });
  client = await connect(mcp.url, await token('absent'));
});
afterAll(async () => {
  await client.close();
  await mcp.stop();
});

const requestsToBackend = () =>
  stack.backend.output.match(/"route":"[^"]*users\/:id/g)?.length ?? 0;

describe('a valid token whose user does not exist', () => {
  it(`does not block other users, because at most ${MAX_REQUESTS} of ${CALLS} calls reach the backend`, async () => {
    const callAll = async () =>
      Promise.all([
        ...Array.from({ length: 4 }, () => client.callTool('get_profile')),
        ...Array.from({ length: 4 }, () => client.callTool('get_balance')),
        ...Array.from({ length: 2 }, () => client.callTool('update_phone', { phone: PHONE })),
      ]);
    const sentences = new Set<string | undefined>();
    for (let sent = 0; sent < CALLS; sent += CONCURRENCY) {
      for (const result of await callAll()) sentences.add(sentence(result));
    }
    const { id } = await addUser(stack.prisma, { name: 'Ada', permissions: ['read'] });
    const profile = await callTool(mcp.url, await token(id), 'get_profile');
    expect(sentence(profile)).toBe('This is the profile of Ada.');
    expect([...sentences]).toEqual([NO_USER]);
    console.log(`${requestsToBackend()} of ${CALLS} calls reached the backend`);
    expect(requestsToBackend()).toBeGreaterThan(0);
    expect(requestsToBackend()).toBeLessThanOrEqual(MAX_REQUESTS);
  });

  it('works within 10 s after its user has been created', async () => {
    expect(sentence(await client.callTool('get_profile'))).toBe(NO_USER);
    await addUser(stack.prisma, { id: 'absent', name: 'Ben', permissions: ['read'] });
    const profile = async () => sentence(await client.callTool('get_profile'));
    await expect.poll(profile, { timeout: 12_000 }).toBe('This is the profile of Ben.');
  });
});
