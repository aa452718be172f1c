import { once } from 'node:events';
import { type Server, type ServerResponse, createServer } from 'node:http';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Draining } from '@latchkey/shutdown/draining';
import Fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LoadShedding } from './load-shedding.js';

const BURST_LIMIT = 1024;
const WINDOW_MS = 250;
const TICK_MS = 5;

// Of the system, and not that of the tests.
const { setInterval: every } = globalThis;

let server: Server;
let draining: Draining;
let shedding: LoadShedding;
let handled: ServerResponse[];
let agent: Agent;

beforeEach(async () => {
  // A slow machine must not change the limit in the middle of a test.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  handled = [];
  agent = new Agent({ keepAlive: true });
  server = createServer((_request, response) => void handled.push(response));
  draining = new Draining();
  draining.watch(Fastify({ serverFactory: () => server }));
  shedding = new LoadShedding(draining);
  shedding.protect(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  vi.useRealTimers();
  shedding.onApplicationShutdown();
  agent.destroy();
  server.closeAllConnections();
  server.close();
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

function port(): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return address.port;
}

function ask(
  path = '/api/internal/users/1',
  headers: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { port: port(), host: '127.0.0.1', path, agent, headers };
    const request = get(options, (response) => {
      const { statusCode: status } = response;
      text(response).then((body) => resolve({ status, headers: response.headers, body }), reject);
    });
    request.on('error', reject);
  });
}

// Not that of Vitest, which makes the timers that it has faked go on.
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}

/** As many requests in progress as there may be. */
async function fill(requests = BURST_LIMIT): Promise<Promise<Answer>[]> {
  const asked = Array.from({ length: requests }, () => ask());
  await until(() => handled.length === requests);
  return asked;
}

function answerAll(): void {
  for (const response of handled.splice(0)) response.end('done');
}

describe('LoadShedding', () => {
  it('refuses what is beyond the limit, with a problem and when to come again', async () => {
    const asked = await fill();
    const { status, headers, body } = await ask(undefined, { 'x-request-id': 'mine' });
    expect(status).toBe(503);
    expect(headers).toMatchObject({
      'content-type': 'application/problem+json; charset=utf-8',
      'retry-after': '1',
      'x-request-id': 'mine',
      'cache-control': 'no-store',
      connection: 'keep-alive',
    });
    expect(JSON.parse(body)).toMatchObject({
      code: 'OVERLOADED',
      retryable: true,
      requestId: 'mine',
      instance: 'urn:latchkey:request:mine',
    });
    expect(handled).toHaveLength(BURST_LIMIT);
    answerAll();
    await Promise.all(asked);
  });

  it('admits again what comes when the others are answered', async () => {
    const asked = await fill();
    answerAll();
    await Promise.all(asked);
    await until(() => draining.inFlight === 0);
    const next = ask();
    await until(() => handled.length === 1);
    answerAll();
    expect((await next).status).toBe(200);
  });

  it('always answers health', async () => {
    const asked = await fill();
    const health = ['/api/health', '/api/health/live', '/api/health?x'].map((path) => ask(path));
    await until(() => handled.length === BURST_LIMIT + health.length);
    answerAll();
    await Promise.all([...asked, ...health]);
    expect(shedding.refused).toBe(0);
  });

  it('forgets requests whose client has left', async () => {
    const asked = Promise.allSettled(await fill());
    agent.destroy();
    await asked;
    await until(() => draining.inFlight === 0);
    expect(shedding.refused).toBe(0);
  });

  it('forgets requests that were pipelined by a client that has left', async () => {
    const client = connect(port(), '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(10));
    await until(() => handled.length === 10);
    client.destroy();
    await until(() => draining.inFlight === 0);
  });

  it('does not count those that wait for the rest of a body', async () => {
    const slow = Array.from({ length: BURST_LIMIT }, () =>
      ask(undefined, { 'content-length': '5' }),
    );
    await until(() => handled.length === BURST_LIMIT);
    vi.advanceTimersByTime(TICK_MS);
    const next = ask();
    await until(() => handled.length === BURST_LIMIT + 1);
    answerAll();
    expect((await next).status).toBe(200);
    await Promise.allSettled(slow);
    expect(shedding.refused).toBe(0);
  });

  it('does not count those whose client does not take the answer', async () => {
    const client = connect(port(), '127.0.0.1').pause();
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => handled.length === 1);
    handled[0]?.end(Buffer.alloc(50_000_000));
    expect(draining.inFlight).toBe(1);
    expect(draining.waitingForClients).toBe(1);
    client.destroy();
    await until(() => draining.inFlight === 0);
  });

  it('closes the connection of a refused request that brings a body', async () => {
    const asked = await fill();
    const { headers } = await ask(undefined, { 'content-length': '5' });
    expect(headers.connection).toBe('close');
    answerAll();
    await Promise.all(asked);
  });

  it('sends refusals at a bounded rate', async () => {
    const asked = await fill();
    const startedAt = performance.now();
    const ticking = every(() => vi.advanceTimersByTime(5), 5);
    const refusals = await Promise.all(Array.from({ length: 500 }, () => ask()));
    clearInterval(ticking);
    expect(new Set(refusals.map(({ status }) => status))).toEqual(new Set([503]));
    // A hundred at once, and the others at 3,000 a second.
    expect(performance.now() - startedAt).toBeGreaterThan(120);
    answerAll();
    await Promise.all(asked);
  });

  it('lets in less and less of what stays, and a burst again when it is gone', async () => {
    const limits: number[] = [];
    const nextWindow = () => {
      vi.advanceTimersByTime(WINDOW_MS);
      limits.push(shedding.limit);
    };
    const asked = await fill();
    // The first one began with none in progress.
    for (let window = 0; window < 7; window++) nextWindow();
    expect(limits.splice(0)).toEqual([1024, 512, 256, 128, 64, 32, 32]);
    answerAll();
    await Promise.all(asked);
    await until(() => draining.inFlight === 0);
    for (let window = 0; window < 6; window++) nextWindow();
    expect(limits.slice(1)).toEqual([128, 256, 512, 1024, 1024]);
  });

  it('lets as many be in progress as are answered in 50 ms', () => {
    draining.finished = 10_000;
    vi.advanceTimersByTime(WINDOW_MS);
    expect(shedding.limit).toBe(2000);
  });
});
