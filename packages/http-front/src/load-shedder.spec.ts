import { once } from 'node:events';
import { Agent, type Server, type ServerResponse, createServer, request } from 'node:http';
import { connect } from 'node:net';
import { performance as nodePerformance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HttpFront } from './http-front.js';
import type { InFlightRequests } from './in-flight-requests.js';
import type { LoadShedder } from './load-shedder.js';
import { queueTimeOf } from './queue-time.js';

const MIN_LIMIT = 32;
const WINDOW_MS = 250;
const TICK_MS = 5;
const MAX_BURST_MS = 1000;
/** One request more than `queueLimit`, which is at its minimum of 32. */
const TOO_MANY = 33;
const MAX_PIPELINED = 16;

const ID = 'x-request-id';

let server: Server;
let front: HttpFront;
let requests: InFlightRequests;
let shedder: LoadShedder;
let handled: ServerResponse[];
let agent: Agent;

beforeEach(async () => {
  // A slow machine must not change the limit in the middle of a test.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  setUtilization(0.5);
  handled = [];
  agent = new Agent({ keepAlive: true });
  server = createServer((_request, response) => void handled.push(response));
  front = new HttpFront();
  front.protect(Fastify({ serverFactory: () => server }), {
    keepAliveSeconds: 4,
    maxPipelined: MAX_PIPELINED,
    reportProtocolError: () => ({ status: 400, headers: {}, body: '' }),
    loadShedding: {
      exempt: /^\/health$/,
      render: (requestId) => ({ status: 503, headers: { 'retry-after': '1' }, body: requestId }),
    },
  });
  ({ requests } = front);
  if (front.loadShedder === undefined) throw new Error('no load shedder');
  shedder = front.loadShedder;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  front.onApplicationShutdown();
  agent.destroy();
  server.closeAllConnections();
  server.close();
});

/** Sets the measured utilization of the event loop. */
function setUtilization(utilization: number): void {
  const measured = { idle: 0, active: 0, utilization };
  vi.spyOn(nodePerformance, 'eventLoopUtilization').mockReturnValue(measured);
}

interface TestResponse {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

function port(): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return address.port;
}

function sendRequest(
  path = '/api/internal/users/1',
  headers: Record<string, string> = {},
): Promise<TestResponse> {
  return new Promise((resolve, reject) => {
    const method = 'content-length' in headers ? 'POST' : 'GET';
    const options = { port: port(), host: '127.0.0.1', path, agent, headers, method };
    const sent = request(options, (response) => {
      const { statusCode: status } = response;
      text(response).then((body) => resolve({ status, headers: response.headers, body }), reject);
    });
    sent.on('error', reject).end();
  });
}

// Replaces `vi.waitFor`, which advances fake timers.
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}

/** Sends requests until `count` are in flight; by default, as many as the limit admits. */
async function fill(count = MIN_LIMIT): Promise<Promise<TestResponse>[]> {
  const pending = Array.from({ length: count }, () => sendRequest());
  await until(() => handled.length === count);
  return pending;
}

function respondToAll(): void {
  for (const response of handled.splice(0)) response.end('done');
}

/** Queues more requests than `queueLimit`. */
async function overfillQueue(count = TOO_MANY): Promise<Promise<TestResponse>[]> {
  const pending = Array.from({ length: count }, () => sendRequest());
  await until(() => shedder.queued === count);
  return pending;
}

/** Overfills the queue until its requests are refused. Returns the requests in flight. */
async function overload(): Promise<Promise<TestResponse>[]> {
  const pending = await fill();
  const refused = await overfillQueue();
  vi.advanceTimersByTime(MAX_BURST_MS + 2 * TICK_MS);
  for (const response of refused) expect((await response).status).toBe(503);
  return pending;
}

describe('LoadShedder', () => {
  it('queues requests beyond the limit and handles them in order', async () => {
    const pending = await fill();
    for (const id of ['first', 'second', 'third']) {
      pending.push(sendRequest(undefined, { [ID]: id }));
      const waiting = pending.length - MIN_LIMIT;
      await until(() => shedder.queued === waiting);
    }
    for (let waiting = 2; waiting >= 0; waiting--) {
      handled.shift()?.end();
      await until(() => shedder.queued === waiting);
    }
    expect(handled.slice(-3).map(({ req }) => req.headers[ID])).toEqual([
      'first',
      'second',
      'third',
    ]);
    respondToAll();
    await Promise.all(pending);
    expect(shedder.refused).toBe(0);
  });

  it('handles the newest request first while the queue is too long', async () => {
    const pending = [...(await fill()), ...(await overfillQueue())];
    pending.push(sendRequest(undefined, { [ID]: 'last' }));
    await until(() => shedder.queued === TOO_MANY + 1);
    handled.shift()?.end();
    await until(() => shedder.queued === TOO_MANY);
    expect(handled.at(-1)?.req.headers[ID]).toBe('last');
    while (shedder.queued > 0) {
      const { queued } = shedder;
      handled.shift()?.end();
      await until(() => shedder.queued < queued);
    }
    respondToAll();
    await Promise.all(pending);
    expect(shedder.refused).toBe(0);
  });

  it('records how long a request was queued', async () => {
    const pending = await fill();
    pending.push(sendRequest());
    await until(() => shedder.queued === 1);
    vi.advanceTimersByTime(40);
    handled.shift()?.end();
    await until(() => shedder.queued === 0);
    const times = handled.map(({ req }) => queueTimeOf(req));
    expect(times.at(-1)).toBeGreaterThanOrEqual(40);
    expect(times.slice(0, -1)).toEqual(times.slice(1).map(() => 0));
    respondToAll();
    await Promise.all(pending);
  });

  it('refuses excess requests when the queue has exceeded `queueLimit` for a second', async () => {
    const pending = await overload();
    const { status, headers, body } = await sendRequest(undefined, { [ID]: 'mine' });
    expect(status).toBe(503);
    expect(headers).toMatchObject({
      'retry-after': '1',
      [ID]: 'mine',
      'cache-control': 'no-store',
      connection: 'keep-alive',
    });
    expect(body).toBe('mine');
    expect(handled).toHaveLength(MIN_LIMIT);
    respondToAll();
    await Promise.all(pending);
  });

  it('queues a burst again when no request has been refused for a while', async () => {
    const pending = await overload();
    vi.advanceTimersByTime(2 * WINDOW_MS);
    pending.push(sendRequest());
    await until(() => shedder.queued === 1);
    respondToAll();
    await until(() => handled.length === 1);
    respondToAll();
    await Promise.all(pending);
  });

  it('does not refuse requests in repeated short bursts', async () => {
    for (let times = 0; times < 4; times++) {
      const pending = [...(await fill()), ...(await overfillQueue())];
      vi.advanceTimersByTime(MAX_BURST_MS / 2);
      respondToAll();
      await until(() => shedder.queued === TOO_MANY - MIN_LIMIT);
      vi.advanceTimersByTime(MAX_BURST_MS);
      await until(() => handled.length === MIN_LIMIT);
      respondToAll();
      await until(() => handled.length === TOO_MANY - MIN_LIMIT);
      respondToAll();
      await Promise.all(pending);
      vi.advanceTimersByTime(TICK_MS);
    }
    expect(shedder.refused).toBe(0);
  });

  it('handles exempt requests even under overload', async () => {
    const pending = await overload();
    pending.push(sendRequest('/health'));
    await until(() => handled.length === MIN_LIMIT + 1);
    respondToAll();
    await Promise.all(pending);
    expect(shedder.refused).toBe(TOO_MANY);
  });

  it('does not count a request as in flight after its client has disconnected', async () => {
    const pending = Promise.allSettled(await fill());
    agent.destroy();
    await pending;
    await until(() => requests.count === 0);
  });

  it('drops a queued request whose client has disconnected', async () => {
    const pending = await fill();
    let isClosed = false;
    server.once('connection', (socket) => socket.once('close', () => (isClosed = true)));
    const client = connect(port(), '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => shedder.queued === 1);
    client.destroy();
    await until(() => isClosed);
    handled.shift()?.end();
    await until(() => shedder.queued === 0);
    expect(handled).toHaveLength(MIN_LIMIT - 1);
    respondToAll();
    await Promise.all(pending);
  });

  it('does not count pipelined requests after their client has disconnected', async () => {
    const client = connect(port(), '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(10));
    await until(() => handled.length === 10);
    client.destroy();
    await until(() => requests.count === 0);
  });

  it('closes a connection that pipelines more than 16 requests, even without overload', async () => {
    const client = connect(port(), '127.0.0.1').resume();
    let isClosed = false;
    client.on('error', () => undefined).once('close', () => (isClosed = true));
    client.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20_000));
    await until(() => isClosed);
    expect(handled.length).toBeLessThanOrEqual(1 + MAX_PIPELINED);
  });

  it.each([
    { state: 'is queued', prepare: () => fill() },
    { state: 'is refused', prepare: () => overload() },
  ])('closes a connection that pipelines requests if the first $state', async ({ prepare }) => {
    const pending = await prepare();
    const refused = shedder.refused;
    const client = connect(port(), '127.0.0.1').resume();
    let isClosed = false;
    client.on('error', () => undefined).once('close', () => (isClosed = true));
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20_000));
    await until(() => isClosed);
    expect(shedder.queued + shedder.refused - refused).toBe(1);
    respondToAll();
    await until(() => shedder.queued === 0);
    respondToAll();
    await Promise.all(pending);
  });

  it('does not count a request towards the limit while its client sends the body', async () => {
    const slow = Array.from({ length: MIN_LIMIT }, () =>
      sendRequest(undefined, { 'content-length': '5' }),
    );
    await until(() => handled.length === MIN_LIMIT);
    const next = sendRequest();
    await until(() => shedder.queued === 1);
    vi.advanceTimersByTime(TICK_MS);
    await until(() => handled.length === MIN_LIMIT + 1);
    respondToAll();
    expect((await next).status).toBe(200);
    await Promise.allSettled(slow);
  });

  it('counts a request in `waitingForClients` while its client does not read the response', async () => {
    const client = connect(port(), '127.0.0.1').pause();
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => handled.length === 1);
    handled[0]?.end(Buffer.alloc(50_000_000));
    expect(requests.count).toBe(1);
    expect(requests.waitingForClients).toBe(1);
    client.destroy();
    await until(() => requests.count === 0);
  });

  it('counts a request as waiting if its client does not read an unfinished response', async () => {
    const client = connect(port(), '127.0.0.1').pause();
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => handled.length === 1);
    handled[0]?.write(Buffer.alloc(50_000_000));
    expect(requests.waitingForClients).toBe(1);
    client.destroy();
    await until(() => requests.count === 0);
  });

  it('closes the connection of a refused request with a body', async () => {
    const pending = await overload();
    const { status, headers } = await sendRequest(undefined, { 'content-length': '5' });
    expect(status).toBe(503);
    expect(headers.connection).toBe('close');
    respondToAll();
    await Promise.all(pending);
  });

  it.each([
    { load: 'is not busy', utilization: 0.5, perTick: 30 },
    { load: 'is busy', utilization: 0.95, perTick: 10 },
  ])('sends $perTick refusals per 5 ms if the process $load', async ({ utilization, perTick }) => {
    setUtilization(utilization);
    const pending = await overload();
    // Waits until the token bucket is full again.
    vi.advanceTimersByTime(5 * TICK_MS);
    let refused = 0;
    const refusals = Array.from({ length: 500 }, async () => {
      await sendRequest();
      refused += 1;
    });
    await until(() => shedder.refused === TOO_MANY + refusals.length);
    await until(() => refused >= 200);
    for (let ticks = 0; refused < refusals.length; ticks++) {
      expect(refused).toBeLessThanOrEqual(200 + ticks * perTick);
      vi.advanceTimersByTime(TICK_MS);
      const due = Math.min(refusals.length, 200 + ticks * perTick);
      await until(() => refused >= due);
    }
    respondToAll();
    await Promise.all([...pending, ...refusals]);
  });

  it.each([
    { load: 'is busy', utilization: 0.95, windows: 4, limit: 200 },
    { load: 'is not busy', utilization: 0.5, windows: 1, limit: 2000 },
  ])(
    'sets the limit to $limit at 40,000 requests per second if the process $load',
    ({ utilization, windows, limit }) => {
      setUtilization(utilization);
      for (let window = 0; window < windows; window++) {
        requests.completed += 10_000;
        vi.advanceTimersByTime(WINDOW_MS);
      }
      expect(shedder.limit).toBe(limit);
    },
  );

  it('keeps the highest limit until a request has to queue, even if the throughput falls', async () => {
    setUtilization(0.5);
    requests.completed += 1000;
    vi.advanceTimersByTime(10 * WINDOW_MS);
    const highest = shedder.limit;
    expect(highest).toBe(200);
    const pending = [...(await fill(highest)), ...(await overfillQueue(1))];
    vi.advanceTimersByTime(WINDOW_MS);
    expect(shedder.limit).toBe(MIN_LIMIT);
    respondToAll();
    await until(() => handled.length === 1);
    respondToAll();
    await Promise.all(pending);
  });
});
