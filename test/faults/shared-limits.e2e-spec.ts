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

// This limit is so low that a test can send ten times as many requests within one minute.
const LIMIT = 500;
const CONCURRENCY = 16;
const PROCESSES = 3;
const USERS_LIMIT = 200;
const MISSES_LIMIT = 250;
// If the limit admits the request, the backend responds with 400 without a database query.
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

  /** Sends requests with a key to all processes in turns, and counts the statuses. */
  async function countStatuses(secret: string, total: number, path: (turn: number) => string) {
    const counts: Record<number, number> = {};
    let turn = 0;
    const load = new Load(async () => {
      const mine = turn++;
      const origin = origins()[mine % PROCESSES];
      const headers = { 'x-api-key': secret };
      const response = await fetch(`${origin}${path(mine)}`, { headers });
      await response.arrayBuffer();
      counts[response.status] = (counts[response.status] ?? 0) + 1;
    }, total);
    await load.run(CONCURRENCY);
    expect(load.failures).toEqual([]);
    return counts;
  }

  const sendMany = (secret: string, total: number) => countStatuses(secret, total, () => PATH);

  async function limitStates(): Promise<string[]> {
    const states = origins().map(async (origin) => {
      const { body } = await withKey(origin).get('/api/health/ready').expect(200);
      return body.checks.limits;
    });
    return [...new Set(await Promise.all(states))];
  }

  async function degradedMetric(): Promise<(number | undefined)[]> {
    const values = backends.map(async (backend) =>
      (await Scrape.of(metricsOf(backend))).value('latchkey_limit_store_degraded'),
    );
    return Promise.all(values);
  }

  async function expectLimitState(state: string): Promise<void> {
    await expect.poll(limitStates, { timeout: 20_000 }).toEqual([state]);
  }

  it('admit all requests of a key that sends 0.9 times its limit', async () => {
    await expectLimitState('up');
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    expect(await sendMany(secret, 0.9 * LIMIT)).toEqual({ [ADMITTED]: 0.9 * LIMIT });
  });

  it('admit exactly the limit of a key that sends 10 times its limit', async () => {
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    const counts = await sendMany(secret, 10 * LIMIT);
    expect(counts).toEqual({ [ADMITTED]: LIMIT, 429: 9 * LIMIT });
  });

  it('admit 99 to 100 % of a limit although each process reserves requests in batches', async () => {
    const limit = 16 * LIMIT;
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: limit });
    const counts = await sendMany(secret, 1.2 * limit);
    expect(counts[ADMITTED]).toBeGreaterThanOrEqual(0.99 * limit);
    expect(counts[ADMITTED]).toBeLessThanOrEqual(limit);
    expect(await sendMany(secret, 100)).toEqual({ 429: 100 });
  });

  it('admit no more than the limit around a minute boundary', async () => {
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    const openedAt = performance.now();
    expect(await sendMany(secret, PROCESSES)).toEqual({ [ADMITTED]: PROCESSES });
    await sleep(58_000 - (performance.now() - openedAt));
    let admitted = 0;
    while (performance.now() - openedAt < 62_000) {
      const counts = await sendMany(secret, 100);
      admitted += counts[ADMITTED] ?? 0;
    }
    expect(admitted).toBeGreaterThanOrEqual(0.99 * LIMIT - PROCESSES);
    expect(admitted).toBeLessThanOrEqual(LIMIT);
  });

  it('add up the users that a key requests from each of them', async () => {
    const { secret } = await issueKey(origins()[0] ?? '');
    // Each process alone gets requests for fewer users than the limit.
    const missing = (turn: number) => `/api/internal/users?ids=user-${turn}`;
    const counts = await countStatuses(secret, 1.5 * USERS_LIMIT, missing);
    expect(counts[200]).toBeGreaterThan(0.9 * USERS_LIMIT);
    await expect.poll(() => fetchStatus(secret, missing(0))).toEqual(Array(PROCESSES).fill(429));
  });

  it('add up the distinct misses that a key causes in each of them', async () => {
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
    // The key has 25 misses left. It now causes 50, but each process receives at most 17 of them.
    // Therefore, only the sum over all processes exceeds the limit.
    const others = Array.from({ length: 0.2 * MISSES_LIMIT }, (_, number) => {
      const origin = origins()[number % PROCESSES] ?? '';
      const email = `other-${number}@example.com`;
      return withKey(origin, secret).post('/api/internal/users/search').send({ email });
    });
    await Promise.all(others);
    await expect.poll(() => search('last')).toEqual(Array(PROCESSES).fill(429));
  });

  async function fetchStatus(secret: string, path: string): Promise<number[]> {
    const statuses = origins().map(
      async (origin) => (await withKey(origin, secret).get(path)).status,
    );
    return Promise.all(statuses);
  }

  it('store nothing in Redis for requests without a valid key', async () => {
    const before = await redis.keys();
    for (let count = 0; count < 200; count++) await fetchStatus(`wrong-${count}`, PATH);
    expect(await redis.keys()).toEqual(before);
  });

  it('continue with limits per process while Redis is down, and share limits again afterwards', async () => {
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    const load = sendMany(secret, 10 * LIMIT);
    await sleep(300);
    await redis.kill();
    const counts = await load;
    // No request gets 500. Redis admits at most the limit, and so does each process without Redis.
    expect(Object.keys(counts).toSorted()).toEqual([String(ADMITTED), '429']);
    expect(counts[ADMITTED]).toBeGreaterThanOrEqual(LIMIT);
    expect(counts[ADMITTED]).toBeLessThanOrEqual(LIMIT * (1 + PROCESSES));
    await expectLimitState('degraded');
    for (const backend of backends) {
      await expect.poll(() => backend.output).toContain('Redis unavailable');
    }
    expect(await degradedMetric()).toEqual(Array(PROCESSES).fill(1));
    await redis.start();
    await expectLimitState('up');
    const { secret: next } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    expect(await sendMany(next, 2 * LIMIT)).toEqual({ [ADMITTED]: LIMIT, 429: LIMIT });
  });

  it('continue with limits per process while Redis refuses writes, and share limits again afterwards', async () => {
    await redis.refuseWrites();
    const connectionsBefore = await redis.connectionsSoFar();
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    const counts = await sendMany(secret, 4 * LIMIT);
    expect(Object.keys(counts).toSorted()).toEqual([String(ADMITTED), '429']);
    expect(await redis.connectionsSoFar()).toBeLessThan(connectionsBefore + 5);
    await expectLimitState('degraded');
    await redis.acceptWrites();
    // To detect that Redis accepts writes again, a process must count a request in Redis. Requests
    // over the limit of their key are not counted there, so the test uses a new key.
    const { secret: quiet } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    await expect
      .poll(() => sendMany(quiet, 2 * PROCESSES).then(limitStates), { timeout: 20_000 })
      .toEqual(['up']);
    const { secret: next } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    expect(await sendMany(next, 2 * LIMIT)).toEqual({ [ADMITTED]: LIMIT, 429: LIMIT });
  });

  it('do not wait for a Redis that does not respond', async () => {
    const { secret } = await issueKey(origins()[0] ?? '', { rateLimit: LIMIT });
    redis.freeze();
    try {
      const began = performance.now();
      const counts = await sendMany(secret, 5 * LIMIT);
      const seconds = (performance.now() - began) / 1000;
      expect(counts).toEqual({ [ADMITTED]: PROCESSES * LIMIT, 429: (5 - PROCESSES) * LIMIT });
      // If each request waited for the time-out of 250 ms, the load would take 39 s.
      expect(seconds).toBeLessThan(30);
      await expectLimitState('degraded');
    } finally {
      redis.thaw();
    }
    await expectLimitState('up');
  });
});
