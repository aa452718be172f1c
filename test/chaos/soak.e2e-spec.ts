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
// So many that one is free whenever a request is due.
const CONNECTIONS = 256;
/** Five minutes each for a release: six make half an hour. */
const PERIODS = IS_FULL ? 6 : 3;
const PERIOD_SECONDS = IS_FULL ? 300 : 10;
const RESTART_SECONDS = 6;
const CONTROL_SECONDS = 5;
const MINUTES = (PERIODS * PERIOD_SECONDS) / 60;
// Of the rate: the generator has the same cores as all else.
const MIN_SENT = IS_FULL ? 0.9 : 0.7;
// So short a run as in CI tells only of large leaks.
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

function press(
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

async function sample(minute: number, of = backend): Promise<Sample> {
  // Until the load's connections are gone, and the pool is as it was.
  await sleep(1000);
  return {
    minute,
    usedMegabytes: await of.usedMegabytes(),
    openFiles: of.openFiles(),
    connections: await database.connections(),
  };
}

/** A crash of the database and its return, under the same load. */
async function crashUnderLoad(ratePerSecond: number): Promise<LoadReport> {
  const report = press(ratePerSecond, RESTART_SECONDS);
  await sleep(1000);
  await database.crash();
  await database.startAgain();
  await ready(backend);
  return report;
}

/** Megabytes a minute, by least squares. */
function slope(samples: readonly Sample[]): number {
  const mean = (of: (each: Sample) => number) =>
    samples.reduce((total, each) => total + of(each), 0) / samples.length;
  const [minute, used] = [mean((each) => each.minute), mean((each) => each.usedMegabytes)];
  const covariance = mean((each) => (each.minute - minute) * (each.usedMegabytes - used));
  return covariance / mean((each) => (each.minute - minute) ** 2);
}

/** Of a backend that leaks a little with each answer. */
async function slopeWithLeak(ratePerSecond: number): Promise<number> {
  const { NODE_OPTIONS, ...variables } = without('tidiness');
  const options = `${REPORTS_MEMORY.NODE_OPTIONS} ${NODE_OPTIONS}`;
  const careless = await startQuietBackend(database.url, { ...variables, NODE_OPTIONS: options });
  await ready(careless);
  await press(ratePerSecond, CONTROL_SECONDS, careless);
  const samples = [await sample(0, careless)];
  await press(ratePerSecond, CONTROL_SECONDS, careless);
  samples.push(await sample(CONTROL_SECONDS / 60, careless));
  await careless.stop('SIGKILL');
  return slope(samples);
}

describe('half load for a long time, with database crashes', () => {
  it('causes no leak, and no failures between the crashes', async () => {
    await press('closed', 3);
    const { goodPerSecond } = await press('closed', 5);
    const rate = goodPerSecond / 2;
    const control = await slopeWithLeak(rate);
    // All that is made once has been made.
    await crashUnderLoad(rate);
    const samples = [await sample(0)];
    const sentPerSecond: number[] = [];
    let answered = 0;
    for (let period = 1; period <= PERIODS; period++) {
      const steady = await press(rate, PERIOD_SECONDS - RESTART_SECONDS);
      expect(Object.keys(steady.statuses)).toEqual(['200']);
      expect(steady.pending).toBe(0);
      expect(steady.sentPerSecond).toBeGreaterThan(rate * MIN_SENT);
      sentPerSecond.push(steady.sentPerSecond);
      answered += steady.statuses['200']?.count ?? 0;
      const broken = await crashUnderLoad(rate);
      expect(['200', '503']).toEqual(expect.arrayContaining(Object.keys(broken.statuses)));
      samples.push(await sample((period * PERIOD_SECONDS) / 60));
    }
    const growth = slope(samples);
    const files = samples.map(({ openFiles }) => openFiles);
    const connections = samples.map((each) => each.connections);
    const used = samples.map(({ usedMegabytes }) => usedMegabytes.toFixed(1)).join(', ');
    record({
      promise: 'Nothing leaks, and nobody is failed between crashes of the database',
      broken: `${MINUTES.toFixed(1)} minutes at ${Math.round(Math.min(...sentPerSecond))} requests a second or more, of ${Math.round(goodPerSecond)} that it can answer; the database crashes every ${PERIOD_SECONDS} s`,
      figure: `0 of ${answered} failed; heap after collection ${(growth * 10).toFixed(2)} MB more in 10 minutes (${used} MB); open files ${Math.min(...files)} to ${Math.max(...files)}, connections ${Math.min(...connections)} to ${Math.max(...connections)}`,
      control: `${(control * 10).toFixed(0)} MB more in 10 minutes`,
      anchor: 'none found',
    });
    expect(growth).toBeLessThan(MAX_GROWTH_MEGABYTES_A_MINUTE);
    expect(control).toBeGreaterThan(MAX_GROWTH_MEGABYTES_A_MINUTE);
    // Counted one after the other, while the pool may open or close one.
    const others = samples.map((each) => each.openFiles - each.connections);
    expect(Math.max(...others) - Math.min(...others)).toBeLessThanOrEqual(2);
    expect(Math.max(...connections)).toBeLessThanOrEqual(POOL);
    expect(unexpectedErrors(backend)).toEqual([]);
  }, 3_600_000);
});
