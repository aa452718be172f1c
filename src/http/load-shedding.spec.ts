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

const MIN_LIMIT = 32;
const WINDOW_MS = 250;
const TICK_MS = 5;
const LONGEST_BURST_MS = 1000;

const ID = 'x-request-id';

let server: Server;
let draining: Draining;
let shedding: LoadShedding;
let handled: ServerResponse[];
let agent: Agent;

beforeEach(async () => {
  // A slow machine must not change the limit in the middle of a test.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
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
async function fill(requests = MIN_LIMIT): Promise<Promise<Answer>[]> {
  const asked = Array.from({ length: requests }, () => ask());
  await until(() => handled.length === requests);
  return asked;
}

function answerAll(): void {
  for (const response of handled.splice(0)) response.end('done');
}

/** Somebody has waited for so long that it is no burst. */
async function overload(): Promise<Promise<Answer>[]> {
  const asked = await fill();
  const unlucky = ask();
  await until(() => shedding.waiting === 1);
  vi.advanceTimersByTime(LONGEST_BURST_MS + 2 * TICK_MS);
  expect((await unlucky).status).toBe(503);
  return asked;
}

describe('LoadShedding', () => {
  it('lets a burst wait, and begins those first that came last', async () => {
    const asked = await fill();
    for (const id of ['first', 'second', 'third']) {
      asked.push(ask(undefined, { [ID]: id }));
      const waiting = asked.length - MIN_LIMIT;
      await until(() => shedding.waiting === waiting);
    }
    handled.shift()?.end();
    await until(() => handled.length === MIN_LIMIT);
    handled.shift()?.end();
    await until(() => handled.length === MIN_LIMIT && shedding.waiting === 1);
    expect(handled.slice(-2).map(({ req }) => req.headers[ID])).toEqual(['third', 'second']);
    handled.shift()?.end();
    await until(() => shedding.waiting === 0);
    answerAll();
    await Promise.all(asked);
    expect(shedding.refused).toBe(0);
  });

  it('refuses at once what is beyond the limit when somebody has waited for a second on end', async () => {
    const asked = await overload();
    const { status, headers, body } = await ask(undefined, { [ID]: 'mine' });
    expect(status).toBe(503);
    expect(headers).toMatchObject({
      'content-type': 'application/problem+json; charset=utf-8',
      'retry-after': '1',
      [ID]: 'mine',
      'cache-control': 'no-store',
      connection: 'keep-alive',
    });
    expect(JSON.parse(body)).toMatchObject({
      code: 'OVERLOADED',
      retryable: true,
      requestId: 'mine',
      instance: 'urn:latchkey:request:mine',
    });
    expect(handled).toHaveLength(MIN_LIMIT);
    answerAll();
    await Promise.all(asked);
  });

  it('lets a burst wait again when nobody has been refused for a while', async () => {
    const asked = await overload();
    vi.advanceTimersByTime(2 * WINDOW_MS);
    asked.push(ask());
    await until(() => shedding.waiting === 1);
    answerAll();
    await until(() => handled.length === 1);
    answerAll();
    await Promise.all(asked);
  });

  it('does not take for overload that somebody waits every now and then', async () => {
    for (let times = 0; times < 4; times++) {
      const asked = await fill();
      asked.push(ask());
      await until(() => shedding.waiting === 1);
      vi.advanceTimersByTime(LONGEST_BURST_MS / 2);
      answerAll();
      await until(() => handled.length === 1);
      answerAll();
      await Promise.all(asked);
      vi.advanceTimersByTime(TICK_MS);
    }
    expect(shedding.refused).toBe(0);
  });

  it('always answers health', async () => {
    const asked = await overload();
    const health = ['/api/health', '/api/health/live', '/api/health?x'].map((path) => ask(path));
    await until(() => handled.length === MIN_LIMIT + health.length);
    answerAll();
    await Promise.all([...asked, ...health]);
    expect(shedding.refused).toBe(1);
  });

  it('forgets requests whose client has left', async () => {
    const asked = Promise.allSettled(await fill());
    agent.destroy();
    await asked;
    await until(() => draining.inFlight === 0);
  });

  it('does not begin what waited for a client that has left', async () => {
    const asked = await fill();
    let isGone = false;
    server.once('connection', (socket) => socket.once('close', () => (isGone = true)));
    const client = connect(port(), '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => shedding.waiting === 1);
    client.destroy();
    await until(() => isGone);
    handled.shift()?.end();
    await until(() => shedding.waiting === 0);
    expect(handled).toHaveLength(MIN_LIMIT - 1);
    answerAll();
    await Promise.all(asked);
  });

  it('forgets requests that were pipelined by a client that has left', async () => {
    const client = connect(port(), '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(10));
    await until(() => handled.length === 10);
    client.destroy();
    await until(() => draining.inFlight === 0);
  });

  it('does not count those that wait for the rest of a body', async () => {
    const slow = Array.from({ length: MIN_LIMIT }, () => ask(undefined, { 'content-length': '5' }));
    await until(() => handled.length === MIN_LIMIT);
    const next = ask();
    await until(() => shedding.waiting === 1);
    vi.advanceTimersByTime(TICK_MS);
    await until(() => handled.length === MIN_LIMIT + 1);
    answerAll();
    expect((await next).status).toBe(200);
    await Promise.allSettled(slow);
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
    const asked = await overload();
    const { headers } = await ask(undefined, { 'content-length': '5' });
    expect(headers.connection).toBe('close');
    answerAll();
    await Promise.all(asked);
  });

  it('sends refusals at a bounded rate', async () => {
    const asked = await overload();
    let refused = 0;
    const refusals = Array.from({ length: 500 }, async () => {
      await ask();
      refused += 1;
    });
    await until(() => shedding.refused === 1 + refusals.length);
    await until(() => refused >= 200);
    // Two hundred at once, and then 30 in each 5 ms.
    for (let ticks = 0; refused < refusals.length; ticks++) {
      expect(refused).toBeLessThanOrEqual(200 + ticks * 30);
      vi.advanceTimersByTime(TICK_MS);
      const due = Math.min(refusals.length, 200 + ticks * 30);
      await until(() => refused >= due);
    }
    answerAll();
    await Promise.all([...asked, ...refusals]);
  });

  it('lets as many be in progress as are answered in 50 ms', () => {
    draining.finished = 10_000;
    vi.advanceTimersByTime(WINDOW_MS);
    expect(shedding.limit).toBe(2000);
  });
});
