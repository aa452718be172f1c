import { Agent, type IncomingMessage, get } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, withKey } from '../support/app.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { issueKey } from '../support/keys.js';
import { Load, scaled } from '../support/load.js';
import { BACKEND_MAIN, ServerProcess } from '../support/server-process.js';

const WRONG_KEYS = scaled(100_000);
const CALLERS = 8;
const SOURCES = 250;
const USERS = '/api/internal/users';
const PATH = `${USERS}/ada`;
// In a full run, the bound is twice the usual duration. In CI, other work makes durations vary, so
// the bound is the usual duration plus a fixed margin.
const IS_FULL = process.env.FULL === '1';
const SHARE = IS_FULL ? 0.99 : 0.5;
const allowed = (usualMs: number): number => (IS_FULL ? 2 * usualMs : usualMs + 100);

describe(`${WRONG_KEYS} wrong keys`, { timeout: 600_000 }, () => {
  let database: TestDatabase;
  let backend: ServerProcess;
  let secret: string;
  const agent = new Agent({ keepAlive: true });

  beforeAll(async () => {
    database = await createTestDatabase();
    backend = await ServerProcess.start(BACKEND_MAIN, {
      NODE_ENV: 'test',
      PORT: '0',
      DATABASE_URL: database.url,
      SOURCE_FAILURE_LIMIT: '20',
      INTERNAL_API_KEY: API_KEY,
    });
    const ada = { id: 'ada', email: 'ada@example.com', name: 'Ada Lovelace' };
    await withKey(backend.origin).post(USERS).send(ada).expect(201);
    ({ secret } = await issueKey(backend.origin, { rateLimit: 10_000_000 }));
  });
  afterAll(async () => {
    agent.destroy();
    await backend.stop();
    await database.drop();
  });

  function statusOf(key: string, localAddress = '127.0.0.1'): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { 'x-api-key': key };
      const onResponse = (response: IncomingMessage) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      };
      get(`${backend.origin}${PATH}`, { agent, headers, localAddress }, onResponse).on(
        'error',
        reject,
      );
    });
  }

  /** Repeats a request with the valid key until other callers have started `total` calls. */
  async function measureValidKey(call: () => Promise<unknown>, total: number) {
    const other = new Load(call, total);
    const times: number[] = [];
    const statuses = new Set<number>();
    const running = other.run(CALLERS);
    while (other.started < total) {
      const began = performance.now();
      statuses.add(await statusOf(secret));
      times.push(performance.now() - began);
    }
    await running;
    expect(other.failures).toEqual([]);
    return { statuses: [...statuses], times };
  }

  it.each([
    ['the address of a valid caller', () => '127.0.0.1'],
    [`${SOURCES} addresses`, (turn: number) => `127.0.1.${(turn % SOURCES) + 1}`],
  ])('from %s are all refused, and neither block nor slow down a valid key', async (_, from) => {
    const usual = await measureValidKey(() => statusOf(secret), WRONG_KEYS / 10);
    const counts: Record<number, number> = {};
    let turn = 0;
    const attacked = await measureValidKey(async () => {
      const status = await statusOf(`wrong-${turn}`, from(turn++));
      counts[status] = (counts[status] ?? 0) + 1;
    }, WRONG_KEYS);
    console.log(
      `${JSON.stringify(counts)}; valid key: p99 ${percentile(attacked.times, 0.99).toFixed(1)} ms beside wrong keys, ${percentile(usual.times, 0.99).toFixed(1)} ms beside valid keys`,
    );
    expect(Object.keys(counts).filter((status) => !/^4(01|29)$/.test(status))).toEqual([]);
    expect(counts[429]).toBeGreaterThan(0);
    expect(attacked.statuses).toEqual([200]);
    expect(percentile(attacked.times, SHARE)).toBeLessThan(allowed(percentile(usual.times, SHARE)));
  });
});

function percentile(values: number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Infinity;
}
