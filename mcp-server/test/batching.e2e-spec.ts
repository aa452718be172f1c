import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { metricsOf } from '../../test/support/metrics-stack.js';
import { Scrape } from '../../test/support/metrics.js';
import { addUser } from '../../test/support/users.js';
import { connect, sentence } from './support/clients.js';
import { useStack } from './support/stack.js';
import { token } from './support/tokens.js';

const USERS = 20;

const stack = useStack({ BACKEND_FALLBACK: 'off', MCP_METRICS_PORT: '0' });

async function backendRequests(): Promise<number> {
  const scrape = await Scrape.of(metricsOf(stack.mcp));
  const counts = ['user', 'users'].map(
    (route) =>
      scrape.value('latchkey_mcp_backend_request_duration_seconds_count', {
        route,
        outcome: 'ok',
      }) ?? 0,
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

it('answers simultaneous calls of 20 users with few backend requests, each with its own profile', async () => {
  const names = Array.from({ length: USERS }, (_, index) => `User ${index}`);
  const clients = await Promise.all(
    names.map(async (name) => {
      const { id } = await addUser(stack.prisma, { name, permissions: ['read'] });
      return connect(stack.mcp.url, await token(id));
    }),
  );
  const callAll = () =>
    Promise.all(clients.map(async (client) => sentence(await client.callTool('get_profile'))));
  const expected = names.map((name) => `This is the profile of ${name}.`);
  // It opens the connections and verifies the tokens.
  expect(await callAll()).toEqual(expected);

  const before = await backendRequests();
  // All calls wait in the sockets of the stopped process, which then reads them in one tick.
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
