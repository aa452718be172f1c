import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY } from '../support/app.js';
import type { ServerProcess } from '../support/server-process.js';
import { ready, startQuietBackend, without } from './support/backend.js';
import { Callers, tally } from './support/callers.js';
import { ChaosDatabase } from './support/chaos-database.js';
import { load } from './support/load.js';
import type { LoadReport } from './support/load-plan.js';
import { IS_FULL, ms, percent, record, scaled } from './support/results.js';

// A page of users takes a millisecond, so that a few hundred callers are far more than can be answered in time.
const ROUTE = '/api/internal/users?limit=100';
const CALLERS = 600;
const SECONDS = scaled(60);
// The generator and the database take their part of the two cores, and in CI neighbours do too.
const GOODPUT_BOUND = IS_FULL ? 0.7 : 0.4;

let database: ChaosDatabase;

beforeAll(async () => {
  database = await ChaosDatabase.start();
  await database.query(`INSERT INTO users (id, email, name, roles, permissions, updated_at)
    SELECT n, n || '@example.com', 'Ada Lovelace', '{}', '{}', now() FROM generate_series(1, 500) n`);
});
afterAll(() => database.remove());

function press(
  { origin }: ServerProcess,
  connections: number,
  ratePerSecond: number | 'closed',
  seconds: number,
): Promise<LoadReport> {
  const port = Number(new URL(origin).port);
  const headers = { 'x-api-key': API_KEY };
  return load({ port, path: ROUTE, headers, connections, ratePerSecond, seconds });
}

/** Requests a second where more callers bring no more. */
async function knee(backend: ServerProcess): Promise<number> {
  await press(backend, 16, 'closed', 3);
  const reports = [await press(backend, 16, 'closed', 3), await press(backend, 48, 'closed', 3)];
  return Math.max(...reports.map(({ goodPerSecond }) => goodPerSecond));
}

describe('more requests than can be answered', () => {
  it.each(IS_FULL ? [3, 5] : [5])(
    '%i times as many: the good answers stay as many as before',
    async (factor) => {
      const careless = await startQuietBackend(database.url, without('load-shedding'));
      await ready(careless);
      const control = await press(careless, CALLERS, factor * (await knee(careless)), SECONDS);
      const controlKnee = await knee(careless);
      await careless.stop('SIGKILL');

      const backend = await startQuietBackend(database.url);
      await ready(backend);
      const most = await knee(backend);
      const residentBefore = backend.residentMegabytes().now;
      const live = new Callers(backend.origin, () => ({ path: '/api/health/live' }), 1, 50);
      const report = await press(backend, CALLERS, factor * most, SECONDS);
      await live.stop();
      const residentGrowth = backend.residentMegabytes().now / residentBefore - 1;
      const after = await press(backend, 32, 0.3 * most, 4);
      await backend.stop('SIGKILL');

      const refused = report.statuses['503'];
      const accepted = report.statuses['200'];
      const goodput = report.goodPerSecond / most;
      record({
        promise: `${factor} × the requests that it can answer: the good answers stay as many`,
        broken: `${Math.round(factor * most)} requests a second by ${CALLERS} callers, for ${SECONDS} s; ${Math.round(most)} can be answered`,
        figure: `goodput ${percent(goodput)}; accepted p99 ${ms(accepted?.p99 ?? 0)}, refused p50 ${ms(refused?.p50 ?? 0)}, p99 ${ms(refused?.p99 ?? 0)}; memory ${percent(residentGrowth)} more; health answered always`,
        control: `goodput ${percent(control.goodPerSecond / controlKnee)}`,
        anchor: 'SRE: no fewer successes past the knee; Vault: 503 and Retry-After',
      });
      expect(Object.keys(report.statuses).toSorted()).toEqual(['200', '503']);
      expect(report.pending).toBe(0);
      expect(goodput).toBeGreaterThan(GOODPUT_BOUND);
      expect(tally(live.outcomes)).toEqual({ '200': live.outcomes.length });
      // From the third second on.
      const [, , ...settled] = after.goodBySecond.slice(0, 4);
      for (const good of settled) expect(good).toBeGreaterThan(0.3 * most * 0.8);
      expect(control.goodPerSecond / controlKnee).toBeLessThan(goodput);
    },
  );
});
