import { once } from 'node:events';
import { type Server, type ServerResponse, createServer } from 'node:http';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { performance as nodePerformance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Draining } from '@latchkey/http-front/draining';
import { ConfigService } from '@nestjs/config';
import Fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Environment } from '../config/environment.js';
import { WriteSlots } from '../limits/write-slots.js';
import { LoadShedding } from './load-shedding.js';
import { waitingTimeOf } from './waiting-time.js';

const MIN_LIMIT = 32;
const WINDOW_MS = 250;
const TICK_MS = 5;
const LONGEST_BURST_MS = 1000;
/** One more than may wait for 100 ms. */
const TOO_MANY = 33;

const ID = 'x-request-id';

let server: Server;
let draining: Draining;
let shedding: LoadShedding;
let handled: ServerResponse[];
let agent: Agent;

beforeEach(async () => {
  // A slow machine must not change the limit in the middle of a test.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  utilize(0.5);
  handled = [];
  agent = new Agent({ keepAlive: true });
  server = createServer((_request, response) => void handled.push(response));
  draining = new Draining();
  draining.watch(Fastify({ serverFactory: () => server }));
  const config = new ConfigService<Environment, true>({ DATABASE_POOL_MAX: 10 });
  shedding = new LoadShedding(draining, new WriteSlots(config));
  shedding.protect(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  shedding.onApplicationShutdown();
  agent.destroy();
  server.closeAllConnections();
  server.close();
});

/** How much of its time the event loop takes. */
function utilize(utilization: number): void {
  const measured = { idle: 0, active: 0, utilization };
  vi.spyOn(nodePerformance, 'eventLoopUtilization').mockReturnValue(measured);
}

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

/** So many that the last of them has to wait for too long. */
async function crowd(requests = TOO_MANY): Promise<Promise<Answer>[]> {
  const asked = Array.from({ length: requests }, () => ask());
  await until(() => shedding.waiting === requests);
  return asked;
}

/** Too many have waited for so long that it is no burst. */
async function overload(): Promise<Promise<Answer>[]> {
  const asked = await fill();
  const unlucky = await crowd();
  vi.advanceTimersByTime(LONGEST_BURST_MS + 2 * TICK_MS);
  for (const answer of unlucky) expect((await answer).status).toBe(503);
  return asked;
}

describe('LoadShedding', () => {
  it('lets what is beyond the limit wait, and begins it in its order', async () => {
    const asked = await fill();
    for (const id of ['first', 'second', 'third']) {
      asked.push(ask(undefined, { [ID]: id }));
      const waiting = asked.length - MIN_LIMIT;
      await until(() => shedding.waiting === waiting);
    }
    for (let waiting = 2; waiting >= 0; waiting--) {
      handled.shift()?.end();
      await until(() => shedding.waiting === waiting);
    }
    expect(handled.slice(-3).map(({ req }) => req.headers[ID])).toEqual([
      'first',
      'second',
      'third',
    ]);
    answerAll();
    await Promise.all(asked);
    expect(shedding.refused).toBe(0);
  });

  it('begins those first that came last where too many wait', async () => {
    const asked = [...(await fill()), ...(await crowd())];
    asked.push(ask(undefined, { [ID]: 'last' }));
    await until(() => shedding.waiting === TOO_MANY + 1);
    handled.shift()?.end();
    await until(() => shedding.waiting === TOO_MANY);
    expect(handled.at(-1)?.req.headers[ID]).toBe('last');
    while (shedding.waiting > 0) {
      const { waiting } = shedding;
      handled.shift()?.end();
      await until(() => shedding.waiting < waiting);
    }
    answerAll();
    await Promise.all(asked);
    expect(shedding.refused).toBe(0);
  });

  it('tells how long a request has waited', async () => {
    const asked = await fill();
    asked.push(ask());
    await until(() => shedding.waiting === 1);
    vi.advanceTimersByTime(40);
    handled.shift()?.end();
    await until(() => shedding.waiting === 0);
    const times = handled.map(({ req }) => waitingTimeOf(req));
    expect(times.at(-1)).toBeGreaterThanOrEqual(40);
    expect(times.slice(0, -1)).toEqual(times.slice(1).map(() => 0));
    answerAll();
    await Promise.all(asked);
  });

  it('refuses at once what is beyond the limit when too many have waited for a second on end', async () => {
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

  it('does not take for overload that too many wait every now and then', async () => {
    for (let times = 0; times < 4; times++) {
      const asked = [...(await fill()), ...(await crowd())];
      vi.advanceTimersByTime(LONGEST_BURST_MS / 2);
      answerAll();
      await until(() => shedding.waiting === TOO_MANY - MIN_LIMIT);
      vi.advanceTimersByTime(LONGEST_BURST_MS);
      await until(() => handled.length === MIN_LIMIT);
      answerAll();
      await until(() => handled.length === TOO_MANY - MIN_LIMIT);
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
    expect(shedding.refused).toBe(TOO_MANY);
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

  it('closes the connection of a client that sends on and on before it is answered, also where nobody has to wait', async () => {
    const client = connect(port(), '127.0.0.1').resume();
    let isClosed = false;
    client.on('error', () => undefined).once('close', () => (isClosed = true));
    client.write('GET /api/health/live HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20_000));
    await until(() => isClosed);
    expect(handled.length).toBeLessThanOrEqual(1 + 16);
  });

  it.each([
    { state: 'has to wait', prepare: () => fill() },
    { state: 'is refused', prepare: () => overload() },
  ])(
    'closes the connection of a client that sends on before it is answered, where each request $state',
    async ({ prepare }) => {
      const asked = await prepare();
      const refused = shedding.refused;
      const client = connect(port(), '127.0.0.1').resume();
      let isClosed = false;
      client.on('error', () => undefined).once('close', () => (isClosed = true));
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20_000));
      await until(() => isClosed);
      expect(shedding.waiting + shedding.refused - refused).toBe(1);
      answerAll();
      await until(() => shedding.waiting === 0);
      answerAll();
      await Promise.all(asked);
    },
  );

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

  it('does not count those whose client takes an answer slowly that is still made', async () => {
    const client = connect(port(), '127.0.0.1').pause();
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => handled.length === 1);
    handled[0]?.write(Buffer.alloc(50_000_000));
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

  it.each([
    { load: 'has time', utilization: 0.5, aTick: 30 },
    { load: 'has none to spare', utilization: 0.95, aTick: 10 },
  ])('sends $aTick refusals each 5 ms where the process $load', async ({ utilization, aTick }) => {
    utilize(utilization);
    const asked = await overload();
    // Until the two hundred that are sent at once may be sent again.
    vi.advanceTimersByTime(5 * TICK_MS);
    let refused = 0;
    const refusals = Array.from({ length: 500 }, async () => {
      await ask();
      refused += 1;
    });
    await until(() => shedding.refused === TOO_MANY + refusals.length);
    await until(() => refused >= 200);
    for (let ticks = 0; refused < refusals.length; ticks++) {
      expect(refused).toBeLessThanOrEqual(200 + ticks * aTick);
      vi.advanceTimersByTime(TICK_MS);
      const due = Math.min(refusals.length, 200 + ticks * aTick);
      await until(() => refused >= due);
    }
    answerAll();
    await Promise.all([...asked, ...refusals]);
  });

  it.each([
    { load: 'has none to spare', utilization: 0.95, windows: 4, limit: 200 },
    { load: 'has time to spare', utilization: 0.5, windows: 1, limit: 2000 },
  ])(
    'lets $limit be in progress of 40,000 a second where the process $load',
    ({ utilization, windows, limit }) => {
      utilize(utilization);
      for (let window = 0; window < windows; window++) {
        draining.finished += 10_000;
        vi.advanceTimersByTime(WINDOW_MS);
      }
      expect(shedding.limit).toBe(limit);
    },
  );

  it('remembers what it was able to do when it is asked for less, until somebody has to wait', async () => {
    utilize(0.5);
    draining.finished += 1000;
    vi.advanceTimersByTime(10 * WINDOW_MS);
    const most = shedding.limit;
    expect(most).toBe(200);
    const asked = [...(await fill(most)), ...(await crowd(1))];
    vi.advanceTimersByTime(WINDOW_MS);
    expect(shedding.limit).toBe(MIN_LIMIT);
    answerAll();
    await until(() => handled.length === 1);
    answerAll();
    await Promise.all(asked);
  });
});
