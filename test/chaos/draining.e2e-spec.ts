import { randomUUID } from 'node:crypto';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findFreePort } from '../../scripts/free-port.js';
import { API_KEY } from '../support/app.js';
import type { ServerProcess } from '../support/server-process.js';
import { addUser, ready, startBackend, startQuietBackend, without } from './support/backend.js';
import { Callers, type TestRequest, sendRequest, tally } from './support/callers.js';
import { ChaosDatabase, until } from './support/chaos-database.js';
import { load } from './support/load.js';
import { ms, record, scaled } from './support/results.js';

const HAS_HAPROXY = spawnSync('haproxy', ['-v']).status === 0;
const RESTARTS = scaled(20, 5);
const REQUESTS = scaled(1_000_000, 200);
const SECONDS = scaled(300, 30);
const LOAD_SECONDS = 15;

let database: ChaosDatabase;
let user: TestRequest;

beforeAll(async () => {
  database = await ChaosDatabase.start();
  const backend = await startBackend(database.url);
  user = await addUser(backend, 'ada');
  await backend.stop();
});
afterAll(() => database.remove());

/** The number of requests that fail if the process exits without waiting for them. */
async function lostWithoutDraining(): Promise<number> {
  const unprotected = await startBackend(database.url, {
    DRAIN_SECONDS: '0',
    ...without('draining'),
  });
  await ready(unprotected);
  const callers = new Callers(unprotected.origin, () => user);
  await sleep(300);
  unprotected.signal('SIGTERM');
  await sleep(300);
  await callers.stop();
  await unprotected.stop('SIGKILL');
  return callers.outcomes.filter(({ status }) => status !== 200).length;
}

describe('SIGTERM while clients stay connected', () => {
  it('makes the process not ready within 1 s, loses no request, and ends the process with code 0 within 10 s', async () => {
    const lost = await lostWithoutDraining();
    const backend = await startBackend(database.url, { DRAIN_SECONDS: '' });
    await ready(backend);
    const port = Number(new URL(backend.origin).port);
    const silent = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'));
    const idle = new Agent({ keepAlive: true });
    await Promise.all(Array.from({ length: 20 }, () => sendRequest(backend.origin, user, idle)));
    const callers = new Callers(backend.origin, () => user);
    await sleep(300);
    const signalledAt = performance.now();
    backend.signal('SIGTERM');
    await until(
      async () => (await sendRequest(backend.origin, { path: '/api/health/ready' })).status === 503,
    );
    const notReadyAfter = performance.now() - signalledAt;
    // A load balancer may need this long to detect that the process is not ready.
    await sleep(3000);
    await callers.stop();
    const slowResponse = sendSlowly(backend.origin);
    await until(() => backend.hasEnded);
    const ended = performance.now() - signalledAt;
    expect(await slowResponse).toMatch(/^HTTP\/1\.1 201 /);
    idle.destroy();
    for (const socket of silent) socket.destroy();
    const good = callers.outcomes.length;
    expect(tally(callers.outcomes)).toEqual({ '200': good });
    expect(backend.exitCode).toBe(0);
    expect(ended).toBeLessThan(10_000);
    expect(notReadyAfter).toBeLessThan(1000);
    expect(lost).toBeGreaterThan(0);
    record({
      promise: 'A graceful shutdown loses no request and ends in time',
      failure:
        'SIGTERM with 20 clients that never sent a request, 20 idle after a response, and 8 busy; 5 s of draining',
      result: `readiness turns to 503 after ${ms(notReadyAfter)}; ${good + 1} requests completed, including one that was only half sent at the end of the drain period, and 0 lost; exit 0 after ${ms(ended)}`,
      control: `${lost} requests lost in the first 0.3 s`,
      reference: 'Envoy drains, then closes; Docker kills after 10 s',
    });
  });
});

/** Sends a request whose last bytes follow after the drain period. */
async function sendSlowly(origin: string): Promise<string> {
  const id = randomUUID();
  const body = JSON.stringify({ id, email: `${id}@example.com`, name: 'Ada Lovelace' });
  const socket = connect(Number(new URL(origin).port), '127.0.0.1');
  socket.write(
    `POST /api/internal/users HTTP/1.1\r\nHost: a\r\nX-API-Key: ${API_KEY}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
  );
  await sleep(3000);
  socket.write(body.slice(5));
  return text(socket);
}

/** HAProxy in front of two backends, without retries, so that each failure is visible. */
class LoadBalancer {
  private readonly folder = mkdtempSync(join(tmpdir(), 'latchkey-haproxy-'));
  private readonly process: ChildProcess;

  constructor(
    private readonly port: number,
    backendPorts: readonly number[],
  ) {
    const file = join(this.folder, 'haproxy.cfg');
    const servers = backendPorts.map(
      (each, index) => `  server b${index} 127.0.0.1:${each} check inter 200ms fall 1 rise 1`,
    );
    writeFileSync(
      file,
      `defaults
  mode http
  retries 0
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen latchkey
  bind 127.0.0.1:${port}
  option httpchk GET /api/health/ready
${servers.join('\n')}
`,
    );
    this.process = spawn('haproxy', ['-f', file, '-q'], { stdio: 'ignore' });
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
    rmSync(this.folder, { recursive: true });
  }
}

/** Clients with persistent connections. After each response, a client sends its next request. */
class SteadyLoad {
  private isStopping = false;
  private readonly running: Promise<Record<string, number>>;

  constructor(origin: string) {
    this.running = this.run(Number(new URL(origin).port));
  }

  /** The number of responses by status; status 0 stands for a broken connection. */
  async stop(): Promise<Record<string, number>> {
    this.isStopping = true;
    return this.running;
  }

  private async run(port: number): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    while (!this.isStopping) {
      const { statuses } = await load({
        port,
        path: user.path,
        headers: { 'x-api-key': API_KEY },
        connections: 16,
        ratePerSecond: 'closed',
        seconds: LOAD_SECONDS,
      });
      for (const [status, { count }] of Object.entries(statuses)) {
        counts[status] = (counts[status] ?? 0) + count;
      }
    }
    return counts;
  }
}

describe.skipIf(!HAS_HAPROXY)('rolling restarts behind HAProxy', () => {
  async function restartUnderLoad(
    restarts: number,
    seconds: number,
    variables: NodeJS.ProcessEnv,
  ): Promise<Record<string, number>> {
    const ports = [await findFreePort(), await findFreePort()];
    const start = (port: number | undefined) =>
      startQuietBackend(database.url, { PORT: String(port), ...variables });
    const backends: ServerProcess[] = [];
    for (const port of ports) backends.push(await start(port));
    for (const backend of backends) await ready(backend);
    const balancer = new LoadBalancer(await findFreePort(), ports);
    await until(async () => (await sendRequest(balancer.origin, user)).status === 200);
    const startedAt = performance.now();
    const steady = new SteadyLoad(balancer.origin);
    for (
      let restart = 0;
      restart < restarts || performance.now() - startedAt < seconds * 1000;
      restart++
    ) {
      const turn = restart % backends.length;
      await backends[turn]?.stop();
      const again = await start(ports[turn]);
      backends[turn] = again;
      await ready(again);
      // HAProxy needs time to detect that the backend is ready.
      await sleep(1000);
    }
    const counts = await steady.stop();
    await balancer.stop();
    for (const backend of backends) await backend.stop('SIGKILL');
    return counts;
  }

  const sum = (counts: Record<string, number>) =>
    Object.values(counts).reduce((total, count) => total + count, 0);
  const failed = (counts: Record<string, number>) => sum(counts) - (counts['200'] ?? 0);

  it('lose no request', async () => {
    const control = await restartUnderLoad(2, 0, { DRAIN_SECONDS: '0', ...without('draining') });
    const counts = await restartUnderLoad(RESTARTS, SECONDS, { DRAIN_SECONDS: '2' });
    record({
      promise: 'Rolling restarts lose no request',
      failure: `two backends behind HAProxy without retries; ${RESTARTS} restarts or more under load`,
      result: `${failed(counts)} of ${sum(counts)} requests failed`,
      control: `${failed(control)} of ${sum(control)} requests failed`,
      reference: 'HAProxy: no lost connection is acceptable',
    });
    expect(Object.keys(counts)).toEqual(['200']);
    expect(sum(counts)).toBeGreaterThan(REQUESTS);
    expect(failed(control)).toBeGreaterThan(0);
  }, 3_600_000);
});
