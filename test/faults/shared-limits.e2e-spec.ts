import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, withKey } from '../support/app.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { issueKey } from '../support/keys.js';
import { Load } from '../support/load.js';
import { metricsOf } from '../support/metrics-stack.js';
import { Scrape } from '../support/metrics.js';
import { HAS_REDIS, RedisServer } from '../support/redis-server.js';
import { BACKEND_MAIN, ServerProcess } from '../support/server-process.js';

// So few that ten times as many are asked well within a window.
const LIMIT = 500;
const CONCURRENCY = 16;
const PROCESSES = 3;
const USERS_LIMIT = 200;
const MISSES_LIMIT = 250;
// Admitted, and answered without the database.
const PATH = '/api/internal/users?limit=0';
const ADMITTED = 400;

describe.skipIf(!HAS_REDIS)('three processes with one Redis', { timeout: 120_000 }, () => {
  let database: TestDatabase;
  let redis: RedisServer;
  let backends: ServerProcess[];

  beforeAll(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), RedisServer.start()]);
    backends = await Promise.all(Array.from({ length: PROCESSES }, start));
  });
  afterAll(async () => {
    for (const backend of backends) await backend.stop();
    await redis.kill();
    await database.drop();
  });

  function start(): Promise<ServerProcess> {
    return ServerProcess.start(BACKEND_MAIN, {
      NODE_ENV: 'test',
      PORT: '0',
      METRICS_PORT: '0',
      DATABASE_URL: database.url,
      INTERNAL_API_KEY: API_KEY,
      REDIS_URL: redis.url,
      KEY_USERS_LIMIT: String(USERS_LIMIT),
      KEY_MISSES_LIMIT: String(MISSES_LIMIT),
    });
  }

  const origins = () => backends.map(({ origin }) => origin);

  /** How many requests of a key, made to all processes in turn, had each status. */
  async function ask(secret: string, total: number, path: (turn: number) => string) {
    const counts: Record<number, number> = {};
    let turn = 0;
    const load = new Load(async () => {
      const mine = turn++;
      const origin = origins()[mine % PROCESSES];
      const headers = { 'x-api-key': secret };
      const answer = await fetch(`${origin}${path(mine)}`, { headers });
      await answer.arrayBuffer();
      counts[answer.status] = (counts[answer.status] ?? 0) + 1;
    }, total);
    await load.run(CONCURRENCY);
    expect(load.failures).toEqual([]);
    return counts;
  }

  const askOften = (secret: string, total: number) => ask(secret, total, () => PATH);

  async function sharing(): Promise<string[]> {
    const answers = origins().map(async (origin) => {
      const { body } = await withKey(origin).get('/api/health/ready').expect(200);
      return body.checks.limits;
    });
    return [...new Set(await Promise.all(answers))];
  }

  async function degradedMetric(): Promise<(number | undefined)[]> {
    const values = backends.map(async (backend) =>
      (await Scrape.of(metricsOf(backend))).value('latchkey_limit_store_degraded'),
    );
    return Promise.all(values);
  }

  async function becomes(state: string): Promise<void> {
    await expect.poll(sharing, { timeout: 20_000 }).toEqual([state]);
  }

  it('admit all requests at 0.9 times the limit', async () => {
    await becomes('up');
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    expect(await askOften(secret, 0.9 * LIMIT)).toEqual({ [ADMITTED]: 0.9 * LIMIT });
  });

  it('admit exactly the limit at 10 times the limit', async () => {
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    const counts = await askOften(secret, 10 * LIMIT);
    expect(counts).toEqual({ [ADMITTED]: LIMIT, 429: 9 * LIMIT });
  });

  it('admit 99 to 100 % of a limit although each reserves many requests at once', async () => {
    const limit = 16 * LIMIT;
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: limit });
    const counts = await askOften(secret, 1.2 * limit);
    expect(counts[ADMITTED]).toBeGreaterThanOrEqual(0.99 * limit);
    expect(counts[ADMITTED]).toBeLessThanOrEqual(limit);
    expect(await askOften(secret, 100)).toEqual({ 429: 100 });
  });

  it('admit no more than the limit around the edge of a minute', async () => {
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    const openedAt = performance.now();
    expect(await askOften(secret, PROCESSES)).toEqual({ [ADMITTED]: PROCESSES });
    await sleep(58_000 - (performance.now() - openedAt));
    let admitted = 0;
    while (performance.now() - openedAt < 62_000) {
      const counts = await askOften(secret, 100);
      admitted += counts[ADMITTED] ?? 0;
    }
    expect(admitted).toBeGreaterThanOrEqual(0.99 * LIMIT - PROCESSES);
    expect(admitted).toBeLessThanOrEqual(LIMIT);
  });

  it('add up the users that a key requests', async () => {
    const { secret } = await issueKey(origins()[0] ?? '');
    // Each process is asked for less than the limit.
    const missing = (turn: number) => `/api/internal/users?ids=user-${turn}`;
    const counts = await ask(secret, 1.5 * USERS_LIMIT, missing);
    expect(counts[200]).toBeGreaterThan(0.9 * USERS_LIMIT);
    await expect.poll(() => fetchStatus(secret, missing(0))).toEqual(Array(PROCESSES).fill(429));
  });

  it('add up the distinct misses of a key', async () => {
    const { secret } = await issueKey(origins()[0] ?? '');
    const search = (name: string) =>
      Promise.all(
        origins().map(async (origin) => {
          const email = `${name}@example.com`;
          const searching = withKey(origin, secret).post('/api/internal/users/search');
          return (await searching.send({ email })).status;
        }),
      );
    const searchEach = async (from: number, to: number) => {
      const statuses: number[] = [];
      for (let number = from; number < to; number++)
        statuses.push(...(await search(`nobody-${number}`)));
      return new Set(statuses);
    };
    const allowed = 0.9 * MISSES_LIMIT;
    expect(await searchEach(0, allowed)).toEqual(new Set([200]));
    expect(await searchEach(0, allowed)).toEqual(new Set([200]));
    // Each process is asked for a third of what is left and of as much again.
    const others = Array.from({ length: 0.2 * MISSES_LIMIT }, (_, number) => {
      const origin = origins()[number % PROCESSES] ?? '';
      const email = `other-${number}@example.com`;
      return withKey(origin, secret).post('/api/internal/users/search').send({ email });
    });
    await Promise.all(others);
    await expect.poll(() => search('last')).toEqual(Array(PROCESSES).fill(429));
  });

  async function fetchStatus(secret: string, path: string): Promise<number[]> {
    const asked = origins().map(async (origin) => (await withKey(origin, secret).get(path)).status);
    return Promise.all(asked);
  }

  it('store nothing in Redis for requests without a valid key', async () => {
    const before = await redis.keys();
    for (let count = 0; count < 200; count++) await fetchStatus(`wrong-${count}`, PATH);
    expect(await redis.keys()).toEqual(before);
  });

  it('continue with limits per process when Redis is killed under load, and share them again', async () => {
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    const load = askOften(secret, 10 * LIMIT);
    await sleep(300);
    await redis.kill();
    const counts = await load;
    // No 500; and never more than what was counted in Redis and what each process may count.
    expect(Object.keys(counts).toSorted()).toEqual([String(ADMITTED), '429']);
    expect(counts[ADMITTED]).toBeGreaterThanOrEqual(LIMIT);
    expect(counts[ADMITTED]).toBeLessThanOrEqual(LIMIT * (1 + PROCESSES));
    await becomes('degraded');
    for (const backend of backends) {
      await expect.poll(() => backend.output).toContain('Redis unavailable');
    }
    expect(await degradedMetric()).toEqual(Array(PROCESSES).fill(1));
    await redis.start();
    await becomes('up');
    const { secret: next } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    expect(await askOften(next, 2 * LIMIT)).toEqual({ [ADMITTED]: LIMIT, 429: LIMIT });
  });

  it('skip a Redis that refuses writes, and share the limits again when it accepts them', async () => {
    await redis.refuseWrites();
    const connectionsBefore = await redis.connectionsSoFar();
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    const counts = await askOften(secret, 4 * LIMIT);
    expect(Object.keys(counts).toSorted()).toEqual([String(ADMITTED), '429']);
    expect(await redis.connectionsSoFar()).toBeLessThan(connectionsBefore + 5);
    await becomes('degraded');
    await redis.takeWrites();
    // They hear of it with the next request that may be admitted.
    const { secret: quiet } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    await expect
      .poll(() => askOften(quiet, 2 * PROCESSES).then(sharing), { timeout: 20_000 })
      .toEqual(['up']);
    const { secret: next } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    expect(await askOften(next, 2 * LIMIT)).toEqual({ [ADMITTED]: LIMIT, 429: LIMIT });
  });

  it('do not wait for a Redis that hangs', async () => {
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    redis.freeze();
    try {
      const began = performance.now();
      const counts = await askOften(secret, 5 * LIMIT);
      const seconds = (performance.now() - began) / 1000;
      expect(counts).toEqual({ [ADMITTED]: PROCESSES * LIMIT, 429: (5 - PROCESSES) * LIMIT });
      // If each request waited for the time-out, it would be 39.
      expect(seconds).toBeLessThan(30);
      await becomes('degraded');
    } finally {
      redis.thaw();
    }
    await becomes('up');
  });
});
