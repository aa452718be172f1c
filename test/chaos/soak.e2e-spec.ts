import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY } from '../support/app.js';
import { REPORTS_MEMORY, type ServerProcess } from '../support/server-process.js';
import { addUser, ready, startBackend } from './support/backend.js';
import { ChaosDatabase } from './support/chaos-database.js';
import { load } from './support/load.js';
import type { LoadReport } from './support/load-plan.js';
import { IS_FULL, record } from './support/results.js';

const CONNECTIONS = 32;
/** Five minutes each for a release: six make half an hour. */
const PERIODS = IS_FULL ? 6 : 4;
const PERIOD_SECONDS = IS_FULL ? 300 : 8;
const MINUTES = (PERIODS * PERIOD_SECONDS) / 60;
// So short a run tells only of large leaks.
const MAX_GROWTH_MEGABYTES = IS_FULL ? (0.5 * MINUTES) / 10 : 8;

interface Sample {
  readonly usedMegabytes: number;
  readonly openFiles: number;
  readonly connections: number;
}

let database: ChaosDatabase;
beforeAll(async () => {
  database = await ChaosDatabase.start();
});
afterAll(() => database.remove());

function press(
  { origin }: ServerProcess,
  ratePerSecond: number | 'closed',
  seconds: number,
): Promise<LoadReport> {
  const port = Number(new URL(origin).port);
  const headers = { 'x-api-key': API_KEY };
  const path = '/api/internal/users/ada';
  return load({ port, path, headers, connections: CONNECTIONS, ratePerSecond, seconds });
}

/** After a pause in which nobody asks for anything. */
async function sample(backend: ServerProcess): Promise<Sample> {
  await sleep(2000);
  return {
    usedMegabytes: await backend.usedMegabytes(),
    openFiles: backend.openFiles(),
    connections: await database.connections(),
  };
}

/** Megabytes from the first half of the samples to the last one, by the lowest of each half: the heap breathes. */
function growth(samples: readonly Sample[]): number {
  const used = samples.map(({ usedMegabytes }) => usedMegabytes);
  const half = Math.floor(used.length / 2);
  return Math.min(...used.slice(half)) - Math.min(...used.slice(0, half));
}

describe('half of what it can do, for a long time, with a restart of the database now and then', () => {
  it('leaks nothing, and fails nobody between the restarts', async () => {
    const backend = await startBackend(database.url, { LOG_LEVEL: 'warn', ...REPORTS_MEMORY });
    await addUser(backend, 'ada');
    await press(backend, 'closed', 3);
    const { goodPerSecond } = await press(backend, 'closed', 3);
    const samples: Sample[] = [];
    let answered = 0;
    for (let period = 0; period < PERIODS; period++) {
      const { statuses } = await press(backend, goodPerSecond / 2, PERIOD_SECONDS);
      expect(Object.keys(statuses)).toEqual(['200']);
      answered += statuses['200']?.count ?? 0;
      samples.push(await sample(backend));
      await database.crash();
      await database.startAgain();
      await ready(backend);
    }
    await backend.stop();
    const files = samples.map(({ openFiles }) => openFiles);
    const connections = samples.map(({ connections: count }) => count);
    expect(growth(samples)).toBeLessThan(MAX_GROWTH_MEGABYTES);
    expect(Math.max(...files) - Math.min(...files)).toBeLessThanOrEqual(10);
    expect(Math.max(...connections)).toBeLessThanOrEqual(10);
    record({
      promise: 'Nothing leaks, and nobody is failed between restarts of the database',
      broken: `${MINUTES.toFixed(1)} minutes at ${Math.round(goodPerSecond / 2)} requests a second, half of what it can do; the database crashes every ${PERIOD_SECONDS} s`,
      figure: `0 of ${answered} failed; heap after collection ${growth(samples).toFixed(1)} MB larger; open files ${Math.min(...files)} to ${Math.max(...files)}, connections ${Math.min(...connections)} to ${Math.max(...connections)}`,
      anchor: 'none found',
    });
  }, 3_600_000);
});
