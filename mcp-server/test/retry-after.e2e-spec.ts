import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ServerProcess } from '../../test/support/server-process.js';
import { callTool, sentence } from './support/clients.js';
import { FakeBackend, healthy, respond } from './support/fake-backend.js';
import { startMcp } from './support/servers.js';
import { token } from './support/tokens.js';

const GREETING = 'Hello John Doe! Your checking balance is $2,543.75.';

let backend: FakeBackend;
let mcp: ServerProcess;
beforeAll(async () => {
  backend = await FakeBackend.start();
  mcp = await startMcp({ BACKEND_API_URL: backend.url, BACKEND_FALLBACK: 'off' });
});
afterAll(async () => {
  await mcp.stop();
  await backend.stop();
});
beforeEach(() => backend.become(healthy));

const greet = async (userId: string) =>
  sentence(await callTool(mcp.url, await token(userId), 'get_balance'));

/** Makes the backend refuse requests about one user and serve requests about other users. */
function refuse(userId: string, status: number, seconds: string): void {
  const refusal = respond(status, {}, { 'retry-after': seconds });
  backend.become((socket, request) =>
    (request.path.includes(userId) ? refusal : healthy)(socket, request),
  );
}

describe('Retry-After in a response of the backend', () => {
  it.each([
    [429, '3536', 'in 59 minutes.'],
    [429, '30', 'in 30 seconds.'],
    [503, '30', 'in 30 seconds.'],
  ])('(status %i, %s s) leads to the tool error "Try again %s"', async (status, seconds, words) => {
    refuse('refused', status, seconds);
    expect(await greet('refused')).toBe(
      `The user service is unavailable at the moment. Try again ${words}`,
    );
    expect(backend.requests).toHaveLength(1);
  });

  it('leads to the tool error "Try again in 10 minutes." after a refused write', async () => {
    backend.become((socket, request) =>
      (request.method === 'PATCH' ? respond(429, {}, { 'retry-after': '600' }) : healthy)(
        socket,
        request,
      ),
    );
    const args = { phone: '+12025550147' };
    const result = await callTool(mcp.url, await token('1'), 'update_phone', args);
    expect(sentence(result)).toMatch(/Try again in 10 minutes\.$/);
  });

  it('does not affect other users, even after 30 refused calls', async () => {
    refuse('refused', 429, '3536');
    for (let count = 0; count < 30; count++) await greet('refused');
    expect(backend.requests).toHaveLength(30);
    expect(await greet('other')).toBe(GREETING);
  });
});
