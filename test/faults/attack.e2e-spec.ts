import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Attack, attack } from '../../scripts/attack/attack.js';
import { makeCallers } from '../../scripts/attack/callers.js';
import { HttpCaller } from '../../scripts/attack/http-caller.js';
import {
  compareCounts,
  compareWithLog,
  countAttempts,
  readUsage,
} from '../../scripts/attack/records.js';
import { ATTEMPT_OUTCOMES } from '../../src/requests/finished-request.js';
import { API_KEY, withKey } from '../support/app.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { scaled } from '../support/load.js';
import { metricsOf } from '../support/metrics-stack.js';
import { Scrape } from '../support/metrics.js';
import { BACKEND_MAIN, ServerProcess } from '../support/server-process.js';

const ATTEMPTS = scaled(100_000);
const METRIC = 'latchkey_auth_attempts_total';
const WAIT = { timeout: 15_000, interval: 200 };

let database: TestDatabase;
let backend: ServerProcess;
let http: HttpCaller;
let made: Attack;
let metricsBefore: ReadonlyMap<string, number>;

beforeAll(async () => {
  database = await createTestDatabase();
  backend = await ServerProcess.start(BACKEND_MAIN, {
    NODE_ENV: 'test',
    PORT: '0',
    METRICS_PORT: '0',
    DATABASE_URL: database.url,
    INTERNAL_API_KEY: API_KEY,
    KEY_MISSES_LIMIT: '100',
  });
  http = new HttpCaller(backend.origin);
  const user = { id: '12345', email: 'ada@example.com', name: 'Ada Lovelace' };
  await withKey(backend.origin).post('/api/internal/users').send(user).expect(201);
  const callers = await makeCallers(http, API_KEY, 'test');
  metricsBefore = await readMetrics();
  made = await attack(http, callers, ATTEMPTS);
}, 600_000);
afterAll(async () => {
  http.close();
  await backend.stop();
  await database.drop();
});

async function readMetrics(): Promise<ReadonlyMap<string, number>> {
  const scrape = await Scrape.of(metricsOf(backend));
  return new Map(
    ATTEMPT_OUTCOMES.map((each) => [each, scrape.value(METRIC, { outcome: each }) ?? 0]),
  );
}

it(`makes ${ATTEMPTS} attempts, of all outcomes but that of silent keys, and none gets in that should not`, () => {
  expect(made.attempts.length + made.shed).toBe(ATTEMPTS);
  expect(made.breaches).toBe(0);
  const outcomes = new Set(made.attempts.map(({ outcome }) => outcome));
  expect([...outcomes].toSorted()).toEqual(
    ATTEMPT_OUTCOMES.filter((each) => each !== 'unverifiable').toSorted(),
  );
});

it('finds each in the log, once', async () => {
  const none = { missing: 0, double: 0, wrong: 0 };
  await expect.poll(() => compareWithLog(made.attempts, backend.output), WAIT).toEqual(none);
});

it('finds each in the usage, once', async () => {
  const expected = countAttempts(made.attempts);
  const keyIds = [...new Set(made.attempts.map(({ keyId }) => keyId))];
  const compare = async () =>
    compareCounts(expected, new Map(), await readUsage(database.url, keyIds));
  await expect.poll(compare, WAIT).toEqual({ missing: 0, double: 0 });
});

it('finds each in the metrics, once', async () => {
  const expected = new Map<string, number>();
  for (const { outcome } of made.attempts) expected.set(outcome, (expected.get(outcome) ?? 0) + 1);
  expect(compareCounts(expected, metricsBefore, await readMetrics())).toEqual({
    missing: 0,
    double: 0,
  });
});
