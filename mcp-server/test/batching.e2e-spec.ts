import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { issueKey } from '../../test/support/keys.js';
import { metricsOf } from '../../test/support/metrics-stack.js';
import { Scrape } from '../../test/support/metrics.js';
import { addUser } from '../../test/support/users.js';
import { callTool, connect, sentence } from './support/clients.js';
import { API_KEY, startMcp } from './support/servers.js';
import { useStack } from './support/stack.js';
import { token } from './support/tokens.js';

const USERS = 20;

const stack = useStack({ BACKEND_FALLBACK: 'off', MCP_METRICS_PORT: '0' });

async function backendRequests(): Promise<number> {
  const scrape = await Scrape.of(metricsOf(stack.mcp));
  const counts = ['user', 'user-accounts', 'accounts'].map(
    (route) =>
      scrape.value('latchkey_mcp_backend_request_duration_seconds_count', {
        route,
        outcome: 'ok',
      }) ?? 0,
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function addClient(user: { name: string; permissions?: string[] }, balance: string) {
  const accounts = { create: { type: 'checking', currency: 'USD', balance } } as const;
  const { id } = await addUser(stack.prisma, { permissions: ['read'], ...user, accounts });
  return connect(stack.mcp.url, await token(id));
}

it('get_balance sends one request to the backend', async () => {
  const client = await addClient({ name: 'Ada' }, '5');
  const before = await backendRequests();
  const result = await client.callTool('get_balance');
  expect(sentence(result)).toBe('Hello Ada! Your checking balance is $5.00.');
  expect((await backendRequests()) - before).toBe(1);
  const savings = await client.callTool('get_balance', { account_type: 'savings' });
  expect(sentence(savings)).toBe('Hello Ada! You have no savings account.');
  await client.close();
});

it('get_balance shows no balance to a user without the permission "read"', async () => {
  const client = await addClient({ name: 'Ben', permissions: ['configure'] }, '6.66');
  const result = await client.callTool('get_balance');
  expect(sentence(result)).toMatch(/^The user lacks the permission "read"/);
  expect(JSON.stringify(result)).not.toContain('6.66');
  await client.close();
});

it('get_balance fails if the API key for the backend lacks accounts:read', async () => {
  const BACKEND_API_URL = stack.backend.origin;
  const key = await issueKey(BACKEND_API_URL, { scopes: ['users:read'] }, API_KEY);
  const mcp = await startMcp({ BACKEND_API_URL, INTERNAL_API_KEY: key.secret });
  onTestFinished(() => mcp.stop());
  const { id } = await addUser(stack.prisma, { permissions: ['read'] });
  const result = await callTool(mcp.url, await token(id), 'get_balance');
  expect(result.isError).toBe(true);
  expect(sentence(result)).toMatch(/^The user service refuses this server\./);
});

it.each([
  ['get_profile', (name: string) => `This is the profile of ${name}.`],
  ['get_balance', (name: string) => `Hello ${name}! Your checking balance is $${name}.00.`],
])('simultaneous calls of %s by 20 users send at most 5 backend requests', async (tool, text) => {
  const names = Array.from({ length: USERS }, (_, index) => String(index + 1));
  const clients = await Promise.all(names.map((name) => addClient({ name }, name)));
  const callAll = () =>
    Promise.all(clients.map(async (client) => sentence(await client.callTool(tool))));
  const expected = names.map(text);
  // The first round opens the connections and verifies the tokens.
  expect(await callAll()).toEqual(expected);

  const before = await backendRequests();
  // The stopped process does not read the calls. It reads all of them in one tick after SIGCONT.
  stack.mcp.signal('SIGSTOP');
  const calls = callAll();
  await sleep(500);
  stack.mcp.signal('SIGCONT');
  expect(await calls).toEqual(expected);
  const requests = (await backendRequests()) - before;
  expect(requests).toBeGreaterThan(0);
  expect(requests).toBeLessThanOrEqual(USERS / 4);
  await Promise.all(clients.map((client) => client.close()));
});
