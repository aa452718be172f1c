import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Attack, attack } from './attack/attack.js';
import { makeCallers } from './attack/callers.js';
import { HttpCaller } from './attack/http-caller.js';
import {
  compareCounts,
  compareWithLog,
  countAttempts,
  countOutcomes,
  readMetrics,
  readUsage,
} from './attack/records.js';
import { ATTEMPT_OUTCOMES } from '../../src/requests/request-event.js';
import { queryOnce } from '../chaos/support/chaos-database.js';
import { API_KEY, withKey } from '../support/app.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { scaled } from '../support/load.js';
import { metricsOf } from '../support/metrics-stack.js';
import { Scrape } from '../support/metrics.js';
import { BACKEND_MAIN, ServerProcess } from '../support/server-process.js';

const ATTEMPTS = scaled(100_000);
const WAIT = { timeout: 15_000, interval: 200 };

let database: TestDatabase;
let backend: ServerProcess;
let http: HttpCaller;
let result: Attack;
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
  metricsBefore = await readMetrics(metricsOf(backend));
  result = await attack(http, callers, ATTEMPTS);
}, 600_000);
afterAll(async () => {
  http.close();
  await backend.stop();
  await database.drop();
});

it(`an attack of ${ATTEMPTS} attempts causes every outcome except unverifiable, and no invalid key is admitted`, () => {
  expect(result.attempts.length).toBeGreaterThan(0.99 * ATTEMPTS);
  expect(result.breaches).toBe(0);
  const outcomes = new Set(result.attempts.map(({ outcome }) => outcome));
  expect([...outcomes].toSorted()).toEqual(
    ATTEMPT_OUTCOMES.filter((each) => each !== 'unverifiable').toSorted(),
  );
});

it('the log contains each attempt once', async () => {
  const none = { missing: 0, double: 0, wrong: 0 };
  await expect.poll(() => compareWithLog(result.attempts, backend.output), WAIT).toEqual(none);
});

it('the usage table includes each attempt once', async () => {
  const expected = countAttempts(result.attempts);
  const keyIds = [...new Set(result.attempts.map(({ keyId }) => keyId))];
  const compare = async () =>
    compareCounts(expected, new Map(), await readUsage(database.url, keyIds));
  await expect.poll(compare, WAIT).toEqual({ missing: 0, double: 0 });
});

it('the metrics include each attempt once', async () => {
  const after = await readMetrics(metricsOf(backend));
  const none = { missing: 0, double: 0 };
  expect(compareCounts(countOutcomes(result.attempts), metricsBefore, after)).toEqual(none);
});

it('the metric of shed requests includes each request that was refused before its key check', async () => {
  const scrape = await Scrape.of(metricsOf(backend));
  expect(scrape.value('latchkey_http_requests_shed_total')).toBe(ATTEMPTS - result.attempts.length);
});

it('the comparison detects a missing, duplicate or wrong record (control)', () => {
  const lines = backend.output.split('\n');
  const [first] = result.attempts;
  const line = lines.find((each) => each.includes(`"requestId":"${first?.requestId}"`)) ?? '';
  const others = lines.filter((each) => each !== line);
  const compare = (...log: string[]) => compareWithLog(result.attempts, log.join('\n'));
  expect(compare(...others)).toEqual({ missing: 1, double: 0, wrong: 0 });
  expect(compare(...lines, line)).toEqual({ missing: 0, double: 1, wrong: 0 });
  const changed = line.replace(/"outcome":"[\w-]+"/, '"outcome":"another"');
  expect(compare(...others, changed)).toEqual({ missing: 0, double: 0, wrong: 1 });
  const counts = new Map([['a', 2]]);
  expect(compareCounts(counts, new Map(), new Map([['a', 1]]))).toEqual({ missing: 1, double: 0 });
  expect(compareCounts(counts, new Map(), new Map([['b', 2]]))).toEqual({ missing: 2, double: 2 });
});

it('the backend writes usage rows far less often than once per request', async () => {
  const writes = async () => {
    const [row] = await queryOnce<{ writes: string }>(
      database.url,
      `SELECT n_tup_ins + n_tup_upd AS writes FROM pg_stat_user_tables WHERE relname = 'api_key_usage'`,
    );
    return Number(row?.writes);
  };
  await expect.poll(writes, WAIT).toBeGreaterThan(0);
  expect(await writes()).toBeLessThan(ATTEMPTS / 20);
});
