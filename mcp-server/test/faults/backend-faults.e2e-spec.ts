import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPORTS_MEMORY, type ServerProcess } from '../../../test/support/server-process.js';
import { callTool, connect, sentence, type TestClient } from '../support/clients.js';
import {
  type Behaviour,
  FakeBackend,
  USER,
  answer,
  healthy,
  respond,
} from '../support/fake-backend.js';
import { token } from '../support/tokens.js';
import { API_KEY, startMcp } from '../support/servers.js';

const TOTAL_TIMEOUT_MS = 900;
// Time that the test client itself may need on a slow machine.
const SLACK_MS = 2000;
const CONCURRENCY = 50;
const MAX_GROWTH_MEGABYTES = 30;

let backend: FakeBackend;
let elsewhere: FakeBackend;
let mcp: ServerProcess;
let client: TestClient;
let residentBefore: number;

/** Starts an MCP server that calls the fake backend with short time-outs. */
function startImpatient(variables: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  return startMcp({
    BACKEND_API_URL: backend.url,
    BACKEND_FALLBACK: 'off',
    BACKEND_CONNECT_TIMEOUT_MS: '200',
    BACKEND_RESPONSE_TIMEOUT_MS: '400',
    BACKEND_TOTAL_TIMEOUT_MS: String(TOTAL_TIMEOUT_MS),
    ...variables,
  });
}

beforeAll(async () => {
  backend = await FakeBackend.start();
  elsewhere = await FakeBackend.start();
  // If the server used this proxy, the proxy would receive the API key.
  mcp = await startImpatient({ HTTP_PROXY: elsewhere.url, http_proxy: elsewhere.url });
  client = await connect(mcp.url, await token('12345'));
  // The memory that a server allocates for its first calls does not count as growth.
  await callOften(client, 'get_balance', 200);
  residentBefore = process.platform === 'linux' ? mcp.residentMegabytes().now : 0;
});
afterAll(async () => {
  await client.close();
  await mcp.stop();
  await backend.stop();
  await elsewhere.stop();
});

const close =
  (text: string): Behaviour =>
  (socket) =>
    void socket.end(text);

const drip: Behaviour = (socket) => {
  socket.write(answer(200, '', { 'content-length': '100000' }));
  const timer = setInterval(() => socket.write(' '), 50);
  socket.on('close', () => clearInterval(timer));
};

const flood: Behaviour = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"user":"');
  const chunk = 'x'.repeat(64 * 1024);
  const pour = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', pour);
  pour();
};

const user = JSON.stringify({ user: USER });

const FAULTS: [string, Behaviour][] = [
  ['closes the connection', close('')],
  ['resets the connection', (socket) => void socket.resetAndDestroy()],
  ['does not respond', () => undefined],
  ['sends only the status line', (socket) => void socket.write('HTTP/1.1 200 OK\r\n')],
  ['sends one byte every 50 ms', drip],
  ['closes the connection in the middle of a response', close(answer(200, user).slice(0, -20))],
  ['sends malformed JSON', (socket) => void socket.write(answer(200, user.slice(0, -1)))],
  ['sends HTML instead of JSON', (socket) => void socket.write(answer(200, '<html>'))],
  ['sends an empty body', (socket) => void socket.write(answer(200, ''))],
  ['omits a field', respond(200, { user: { ...USER, permissions: undefined } })],
  ['sends a field of the wrong type', respond(200, { user: { ...USER, permissions: 'read' } })],
  ['sends null', respond(200, null)],
  ['sends an endless body', flood],
  ['sends a Content-Length of 100 GB', respond(200, {}, { 'content-length': '99999999999' })],
  [
    'sends a Content-Length that is too small',
    respond(200, { user: USER }, { 'content-length': '20' }),
  ],
  ['sends a malformed Content-Length', respond(200, { user: USER }, { 'content-length': 'many' })],
  ['does not speak HTTP', close('SSH-2.0-OpenSSH_9.9\r\n')],
  ['sends a header of 100 kB', close(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`)],
  ...[100, 101, 102, 199].map((status): [string, Behaviour] => [
    `responds with ${status} and closes the connection`,
    close(answer(status, '')),
  ]),
  ...[201, 204, 206, 304, 400, 401, 403, 405, 409, 413, 418, 422, 429, 451].map(
    (status): [string, Behaviour] => [
      `responds with ${status}`,
      close(answer(status, status === 204 || status === 304 ? '' : '{}')),
    ],
  ),
  ...[500, 501, 502, 503, 504, 507, 599, 999].map((status): [string, Behaviour] => [
    `responds with ${status}`,
    respond(status, {}),
  ]),
  ...[301, 302, 303, 307, 308].map((status): [string, Behaviour] => [
    `redirects to another server with ${status}`,
    (socket) => void socket.write(answer(status, '', { location: `${elsewhere.url}/x` })),
  ]),
];

/** Waits until an open circuit is closed, so that the next call sends a request. */
async function recover(caller = client): Promise<void> {
  backend.become(healthy);
  for (;;) {
    const result = await caller.callTool('get_balance');
    if (result.isError !== true) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function callOften(caller: TestClient, tool: string, times: number): Promise<void> {
  for (let sent = 0; sent < times; sent += CONCURRENCY) {
    await Promise.all(Array.from({ length: CONCURRENCY }, () => caller.callTool(tool)));
  }
}

describe('a tool call', () => {
  it.each(FAULTS)('ends in time with an error if the backend %s', async (_fault, behaviour) => {
    await recover();
    backend.become(behaviour);
    const startedAt = performance.now();
    const result = await client.callTool('get_balance');
    expect(performance.now() - startedAt).toBeLessThan(TOTAL_TIMEOUT_MS + SLACK_MS);
    expect(result.isError).toBe(true);
    expect(sentence(result)).toMatch(/^(The user service|There is no user|This server is not)/);
    expect(result.structuredContent).toBeUndefined();
    expect(backend.requests.length).toBeGreaterThan(0);
    expect(backend.requests.length).toBeLessThanOrEqual(3);
  });

  it('ends with an error after one request if the backend responds with 404', async () => {
    await recover();
    backend.become(respond(404, {}));
    // The MCP server caches the ids of absent users, so this test needs a user of its own.
    const result = await callTool(mcp.url, await token('absent'), 'get_balance');
    expect(result.isError).toBe(true);
    expect(sentence(result)).toMatch(/^There is no user/);
    expect(backend.requests).toHaveLength(1);
  });

  it('ends with an error that advises a retry if the backend refuses connections', async () => {
    const closed = await FakeBackend.start();
    const BACKEND_API_URL = closed.url;
    await closed.stop();
    const alone = await startMcp({ BACKEND_API_URL, BACKEND_FALLBACK: 'off' });
    const result = await callTool(alone.url, await token('12345'), 'get_balance');
    expect(result.isError).toBe(true);
    expect(sentence(result)).toContain('Try again in a few seconds');
    await alone.stop();
  });

  it('succeeds when the backend is healthy again', async () => {
    await recover();
    const result = await client.callTool('get_balance');
    expect(sentence(result)).toBe('Hello John Doe! Your checking balance is $2,543.75.');
    expect(mcp.hasEnded).toBe(false);
  });

  it('never causes a request to another server or to a proxy', () => {
    expect(elsewhere.requests).toEqual([]);
  });
});

describe('a write', () => {
  it.each([
    ['resets the connection', (socket) => void socket.resetAndDestroy()],
    ['responds with 503', respond(503, {})],
    ['does not respond', () => undefined],
  ] satisfies [string, Behaviour][])(
    'is sent once to a backend that %s, and reported as unconfirmed',
    async (_fault, behaviour) => {
      await recover();
      backend.become((socket, request) =>
        request.method === 'PATCH' ? behaviour(socket, request) : healthy(socket, request),
      );
      const result = await client.callTool('update_phone', { phone: '+12025550147' });
      expect(result.isError).toBe(true);
      expect(sentence(result)).toMatch(/^It is not known whether/);
      expect(backend.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(1);
    },
  );
});

describe('a retry storm', () => {
  it('does not occur: 1,000 tool calls send at most 100 requests to a failing backend', async () => {
    await recover();
    backend.become(respond(503, {}));
    await callOften(client, 'get_profile', 1000);
    expect(backend.requests.length).toBeLessThanOrEqual(100);
  });

  it('does not occur while the circuit stays closed: 300 calls send at most 330 requests', async () => {
    // Long time-outs, because calls that time out on a busy machine would open the circuit.
    const patient = await startMcp({
      BACKEND_API_URL: backend.url,
      BACKEND_FALLBACK: 'off',
      BACKEND_CONNECT_TIMEOUT_MS: '30000',
      BACKEND_RESPONSE_TIMEOUT_MS: '30000',
      BACKEND_TOTAL_TIMEOUT_MS: '60000',
    });
    const caller = await connect(patient.url, await token('12345'));
    // Status 429 does not open the circuit.
    backend.become(respond(429, {}));
    await callOften(caller, 'get_profile', 300);
    const { length } = backend.requests;
    backend.become(healthy);
    expect((await caller.callTool('get_profile')).isError).toBeUndefined();
    await caller.close();
    await patient.stop();
    expect(length).toBeLessThanOrEqual(330);
  });
});

describe('memory', () => {
  it('in use grows by less than 30 MB during 400 huge responses', async () => {
    // A separate server, because `usedMegabytes` makes the server run a garbage collection.
    const measured = await startImpatient(REPORTS_MEMORY);
    const caller = await connect(measured.url, await token('12345'));
    await recover(caller);
    const before = await measured.usedMegabytes();
    backend.become(flood);
    let peak = 0;
    for (let round = 0; round < 8; round++) {
      await callOften(caller, 'get_balance', CONCURRENCY);
      peak = Math.max(peak, await measured.usedMegabytes());
    }
    await caller.close();
    await measured.stop();
    expect(peak - before).toBeLessThan(MAX_GROWTH_MEGABYTES);
  });

  it.runIf(process.platform === 'linux')(
    'of the process never grows by 30 MB or more during all faults and 400 huge responses',
    async () => {
      await recover();
      backend.become(flood);
      await callOften(client, 'get_balance', 400);
      const growth = mcp.residentMegabytes().peak - residentBefore;
      expect(growth).toBeLessThan(MAX_GROWTH_MEGABYTES);
    },
  );
});

describe('the API key', () => {
  it('is in every request, but not in the output of the process', () => {
    expect(backend.requests.every(({ text }) => text.includes(API_KEY))).toBe(true);
    expect(mcp.output).not.toContain(API_KEY);
  });
});
