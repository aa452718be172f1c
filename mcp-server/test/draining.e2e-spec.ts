import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { connect, sentence } from './support/clients.js';
import { type Behaviour, FakeBackend, healthy } from './support/fake-backend.js';
import { startMcp } from './support/servers.js';
import { token } from './support/tokens.js';

let backend: FakeBackend;
beforeAll(async () => {
  backend = await FakeBackend.start();
});
afterAll(() => backend.stop());

const slowly: Behaviour = (socket, request) => void setTimeout(() => healthy(socket, request), 700);

it('the server finishes calls in flight at SIGTERM, and exits despite idle clients', async () => {
  const mcp = await startMcp({ BACKEND_API_URL: backend.url });
  const client = await connect(mcp.url, await token('12345'));
  const silent = connectSocket(Number(mcp.url.port), '127.0.0.1');
  await once(silent, 'connect');
  backend.become(slowly);
  const call = client.callTool('get_balance');
  await vi.waitUntil(() => backend.requests.length > 0, 10_000);
  const stopped = mcp.stop();
  expect(sentence(await call)).toMatch(/^Hello John Doe!/);
  await stopped;
  expect(mcp.exitCode).toBe(0);
  silent.destroy();
});

it('the server reports that it is not ready while it drains, but still serves calls', async () => {
  backend.become(healthy);
  const mcp = await startMcp({ BACKEND_API_URL: backend.url, DRAIN_SECONDS: '60' });
  mcp.signal('SIGTERM');
  await vi.waitUntil(
    async () => (await fetch(new URL('/health/ready', mcp.origin))).status === 503,
    10_000,
  );
  const answer = await fetch(new URL('/health', mcp.origin));
  expect(answer.headers.get('connection')).toBe('close');
  expect(await answer.json()).toEqual({ status: 'draining', checks: { backend: 'up' } });
  const client = await connect(mcp.url, await token('12345'));
  expect((await client.callTool('get_balance')).isError).toBeUndefined();
  await mcp.stop('SIGKILL');
});
