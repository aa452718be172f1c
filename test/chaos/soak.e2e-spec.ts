import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY } from '../support/app.js';
import { REPORTS_MEMORY, type ServerProcess } from '../support/server-process.js';
import { addUser, ready, startQuietBackend, unexpectedErrors, without } from './support/backend.js';
import { ChaosDatabase } from './support/chaos-database.js';
import { load } from './support/load.js';
import type { LoadReport } from './support/load-plan.js';
import { IS_FULL, record } from './support/results.js';

const POOL = 10;
const BUSY_CONNECTIONS = 32;
// Enough to have a free connection whenever a request is due.
const CONNECTIONS = 256;
// A database crash ends each period.
const PERIODS = IS_FULL ? 6 : 3;
const PERIOD_SECONDS = IS_FULL ? 300 : 10;
const RESTART_SECONDS = 6;
const CONTROL_SECONDS = 5;
const MINUTES = (PERIODS * PERIOD_SECONDS) / 60;
// The load generator shares the cores with the backend, so it may send less than the planned rate.
const MIN_SENT_SHARE = IS_FULL ? 0.9 : 0.7;
// In CI, the run is so short that it reveals only large leaks.
const MAX_GROWTH_MEGABYTES_A_MINUTE = IS_FULL ? 0.05 : 10;

interface Sample {
  readonly minute: number;
  readonly usedMegabytes: number;
  readonly openFiles: number;
  readonly connections: number;
}

let database: ChaosDatabase;
let backend: ServerProcess;

beforeAll(async () => {
  database = await ChaosDatabase.start();
  backend = await startQuietBackend(database.url, REPORTS_MEMORY);
  await addUser(backend, 'ada');
});
afterAll(async () => {
  await backend.stop('SIGKILL');
  await database.remove();
});

function applyLoad(
  ratePerSecond: number | 'closed',
  seconds: number,
  { origin } = backend,
): Promise<LoadReport> {
  const port = Number(new URL(origin).port);
  const headers = { 'x-api-key': API_KEY };
  const path = '/api/internal/users/ada';
  const connections = ratePerSecond === 'closed' ? BUSY_CONNECTIONS : CONNECTIONS;
  return load({ port, path, headers, connections, ratePerSecond, seconds });
}

async function sample(minute: number, server = backend): Promise<Sample> {
  // Waits until the connections of the load are closed and the pool has its usual size.
  await sleep(1000);
  return {
    minute,
    usedMegabytes: await server.usedMegabytes(),
    openFiles: server.openFiles(),
    connections: await database.connections(),
  };
}

/** Crashes and restarts the database under load. */
async function crashUnderLoad(ratePerSecond: number): Promise<LoadReport> {
  const report = applyLoad(ratePerSecond, RESTART_SECONDS);
  await sleep(1000);
  await database.crash();
  await database.restart();
  await ready(backend);
  return report;
}

/** The growth of memory in megabytes per minute, by least squares. */
function slope(samples: readonly Sample[]): number {
  const mean = (of: (each: Sample) => number) =>
    samples.reduce((total, each) => total + of(each), 0) / samples.length;
  const [minute, used] = [mean((each) => each.minute), mean((each) => each.usedMegabytes)];
  const covariance = mean((each) => (each.minute - minute) * (each.usedMegabytes - used));
  return covariance / mean((each) => (each.minute - minute) ** 2);
}

/** The memory growth of a backend that leaks memory with each response. */
async function slopeWithLeak(ratePerSecond: number): Promise<number> {
  const { NODE_OPTIONS, ...variables } = without('memory-release');
  const options = `${REPORTS_MEMORY.NODE_OPTIONS} ${NODE_OPTIONS}`;
  const unprotected = await startQuietBackend(database.url, {
    ...variables,
    NODE_OPTIONS: options,
  });
  await ready(unprotected);
  await applyLoad(ratePerSecond, CONTROL_SECONDS, unprotected);
  const samples = [await sample(0, unprotected)];
  await applyLoad(ratePerSecond, CONTROL_SECONDS, unprotected);
  samples.push(await sample(CONTROL_SECONDS / 60, unprotected));
  await unprotected.stop('SIGKILL');
  return slope(samples);
}

describe('a sustained load of half the capacity, with database crashes,', () => {
  it('causes no leak, and no failure between the crashes', async () => {
    await applyLoad('closed', 3);
    const { goodPerSecond } = await applyLoad('closed', 5);
    const rate = goodPerSecond / 2;
    const control = await slopeWithLeak(rate);
    // The first crash causes allocations that happen only once. They must not count as growth.
    await crashUnderLoad(rate);
    const samples = [await sample(0)];
    const sentPerSecond: number[] = [];
    let completed = 0;
    for (let period = 1; period <= PERIODS; period++) {
      const steady = await applyLoad(rate, PERIOD_SECONDS - RESTART_SECONDS);
      expect(Object.keys(steady.statuses)).toEqual(['200']);
      expect(steady.pending).toBe(0);
      expect(steady.sentPerSecond).toBeGreaterThan(rate * MIN_SENT_SHARE);
      sentPerSecond.push(steady.sentPerSecond);
      completed += steady.statuses['200']?.count ?? 0;
      const broken = await crashUnderLoad(rate);
      expect(['200', '503']).toEqual(expect.arrayContaining(Object.keys(broken.statuses)));
      samples.push(await sample((period * PERIOD_SECONDS) / 60));
    }
    const growth = slope(samples);
    const files = samples.map(({ openFiles }) => openFiles);
    const connections = samples.map((each) => each.connections);
    const used = samples.map(({ usedMegabytes }) => usedMegabytes.toFixed(1)).join(', ');
    record({
      promise: 'The backend does not leak, and no request fails between database crashes',
      failure: `${MINUTES.toFixed(1)} minutes at ${Math.round(Math.min(...sentPerSecond))} requests/s or more, with a capacity of ${Math.round(goodPerSecond)}; the database crashes every ${PERIOD_SECONDS} s`,
      result: `0 of ${completed} requests failed; heap after garbage collection grows by ${(growth * 10).toFixed(2)} MB in 10 minutes (${used} MB); open files ${Math.min(...files)} to ${Math.max(...files)}, connections ${Math.min(...connections)} to ${Math.max(...connections)}`,
      control: `heap grows by ${(control * 10).toFixed(0)} MB in 10 minutes`,
      reference: 'none found',
    });
    expect(growth).toBeLessThan(MAX_GROWTH_MEGABYTES_A_MINUTE);
    expect(control).toBeGreaterThan(MAX_GROWTH_MEGABYTES_A_MINUTE);
    // A sample reads the open files first and the connections second. Between the two readings, the
    // pool may open or close a connection.
    const others = samples.map((each) => each.openFiles - each.connections);
    expect(Math.max(...others) - Math.min(...others)).toBeLessThanOrEqual(2);
    expect(Math.max(...connections)).toBeLessThanOrEqual(POOL);
    expect(unexpectedErrors(backend)).toEqual([]);
  }, 3_600_000);
});
