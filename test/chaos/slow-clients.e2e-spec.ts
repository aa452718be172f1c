import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY } from '../support/app.js';
import type { ServerProcess } from '../support/server-process.js';
import { addUser, startBackend, without } from './support/backend.js';
import { Callers, type TestRequest, percentile, tally } from './support/callers.js';
import { ChaosDatabase } from './support/chaos-database.js';
import { IS_FULL, ms, record } from './support/results.js';

const CLIENTS_OF_A_KIND = 50;
const DRIP_INTERVAL_MS = 300;
const GIVE_UP_MS = 9000;
// On a busy CI machine, the server notices a time-out later.
const CLOSED_WITHIN_MS = IS_FULL ? 6000 : 7000;

const HEAD = `Host: a\r\nX-API-Key: ${API_KEY}\r\n`;
const JSON_BODY = 'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n';
/** For each kind of client: the bytes that it sends first, and the bytes that it then repeats. */
const KINDS = {
  'headers that never end': [`GET /api/health/live HTTP/1.1\r\n${HEAD}X: `, 'x'],
  'a body that never ends': [
    `POST /api/internal/users HTTP/1.1\r\n${HEAD}${JSON_BODY}{"id":"`,
    'x',
  ],
  'no bytes': ['', ''],
  'an unused persistent connection': [`GET /api/health/live HTTP/1.1\r\n${HEAD}\r\n`, ''],
} as const;

let database: ChaosDatabase;
beforeAll(async () => {
  database = await ChaosDatabase.start();
});
afterAll(() => database.remove());

/** Milliseconds until the server closes the connection, or until the client gives up. */
async function closedAfter(
  port: number,
  [first, drip]: readonly [string, string],
): Promise<number> {
  const startedAt = performance.now();
  // A client that repeats bytes keeps its side open when the server closes the connection.
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: drip !== '' });
  // If the server closes the connection during a write, the socket emits an error (a reset).
  socket.on('error', () => undefined).resume();
  socket.write(first);
  const dripping = setInterval(() => drip !== '' && socket.write(drip), DRIP_INTERVAL_MS);
  const timer = setTimeout(() => socket.destroy(), GIVE_UP_MS);
  // `once` of node:events is not used, because it rejects on an error.
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(dripping);
  clearTimeout(timer);
  return performance.now() - startedAt;
}

async function measureWithSlowClients(backend: ServerProcess, user: TestRequest) {
  const callers = new Callers(backend.origin, () => user);
  const port = Number(new URL(backend.origin).port);
  const clients = Object.values(KINDS).flatMap((kind) =>
    Array.from({ length: CLIENTS_OF_A_KIND }, () => closedAfter(port, kind)),
  );
  const times = await Promise.all(clients);
  await callers.stop();
  return { callers, times };
}

describe('clients that are slow or idle', () => {
  it('are disconnected within 6 s, and delay no other client', async () => {
    const unprotected = await startBackend(database.url, without('http-time-outs'));
    const user = await addUser(unprotected, randomUUID());
    const control = await measureWithSlowClients(unprotected, user);
    await unprotected.stop('SIGKILL');
    // Timers may fire slightly early.
    const isOpen = (time: number) => time > GIVE_UP_MS - 100;
    expect(control.times.every(isOpen)).toBe(true);

    const backend = await startBackend(database.url);
    const { callers, times } = await measureWithSlowClients(backend, user);
    await backend.stop('SIGKILL');
    expect(tally(callers.outcomes)).toEqual({ '200': callers.outcomes.length });
    expect(Math.max(...times)).toBeLessThan(CLOSED_WITHIN_MS);
    record({
      promise: 'Slow and idle clients are disconnected, and delay no other client',
      failure: `${times.length} clients: ${Object.keys(KINDS).join(', ')}`,
      result: `all disconnected after ${ms(Math.max(...times))}; ${callers.outcomes.length} other requests served, p99 ${ms(percentile(callers.outcomes, 0.99))}`,
      control: `${control.times.filter(isOpen).length} clients still connected after ${ms(GIVE_UP_MS)}`,
      reference: 'Envoy: time-outs for slow clients are a must at the edge',
    });
  });
});
