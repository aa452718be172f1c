import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import { type Socket, connect } from 'node:net';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { ServerProcess } from '../../test/support/server-process.js';
import { FakeBackend } from './support/fake-backend.js';
import { startMcp } from './support/servers.js';
import { token } from './support/tokens.js';

const MODERN_HEADERS = {
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'get_balance',
};
const MODERN_META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'leaver', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

let backend: FakeBackend;
let mcp: ServerProcess;

beforeAll(async () => {
  backend = await FakeBackend.start();
  mcp = await startMcp({
    BACKEND_API_URL: backend.url,
    BACKEND_RESPONSE_TIMEOUT_MS: '60000',
    BACKEND_TOTAL_TIMEOUT_MS: '60000',
  });
});
afterAll(async () => {
  await mcp.stop();
  await backend.stop();
});

function callTool(
  authorization: string,
  headers: Record<string, string>,
  meta: object | undefined,
): ClientRequest {
  const outgoing = request(mcp.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization,
      ...headers,
    },
  });
  const params = { name: 'get_balance', arguments: {}, _meta: meta };
  outgoing.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }));
  return outgoing.on('error', () => undefined);
}

it.each([
  ['legacy', {}, undefined],
  ['modern', MODERN_HEADERS, MODERN_META],
])(
  'the backend call is aborted when a client of the %s protocol era disconnects',
  async (era, headers, meta) => {
    const asked = new Promise<Socket>((resolve) => backend.become(resolve));
    const client = callTool(`Bearer ${await token('12345')}`, headers, meta);
    const socket = await asked;
    client.destroy();
    await once(socket, 'close');
    await vi.waitFor(() => {
      const line = mcp.output.split('\n').find((text) => text.includes(`"era":"${era}"`));
      expect(line).toContain('"outcome":"cancelled"');
    }, 10_000);
    // A cancelled call is not an error.
    expect(mcp.output).not.toContain('"level":"error"');
  },
);

it('the server disconnects a client that pipelines requests', async () => {
  const { hostname, port } = new URL(mcp.url);
  const client = connect(Number(port), hostname).on('error', () => undefined);
  let received = '';
  client.on('data', (chunk) => (received += String(chunk)));
  client.write('GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100));
  await once(client, 'close');
  expect(received.split('HTTP/1.1 ').length - 1).toBeLessThanOrEqual(1);
});

it('the server closes the connection if the only request of an HTTP exchange is cancelled', async () => {
  // A backend time-out of 1 ms shortens the time limit of an HTTP exchange to 10 s.
  const hasty = await startMcp({ BACKEND_API_URL: backend.url, BACKEND_TOTAL_TIMEOUT_MS: '1' });
  const startedAt = performance.now();
  const answer = fetch(hasty.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${await token('12345')}`,
    },
    body: JSON.stringify([
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } },
    ]),
  });
  await expect(answer).rejects.toThrow('fetch failed');
  expect(performance.now() - startedAt).toBeLessThan(15_000);
  await hasty.stop();
});
