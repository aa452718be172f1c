import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AlertReceiver } from './support/alert-receiver.js';
import { startApp } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { HAS_REDIS, RedisServer } from './support/redis-server.js';

const MAX_FAILURES = 20;
const ADDRESS = '198.51.100.7';
// Longer than the interval at which a process shares its failure counts with the others.
const SETTLE_MS = 1500;
const WAIT = { timeout: 30_000 };

describe.each(['without Redis', 'with Redis'])('three processes %s', (name) => {
  const usesRedis = name === 'with Redis';
  let database: TestDatabase;
  let receiver: AlertReceiver;
  let redis: RedisServer | undefined;
  let processes: NestFastifyApplication[] = [];

  beforeAll(async () => {
    [database, receiver] = await Promise.all([createTestDatabase(), AlertReceiver.start()]);
    if (usesRedis && HAS_REDIS) redis = await RedisServer.start();
    const variables = {
      DATABASE_URL: database.runTimeUrl,
      REDIS_URL: redis?.url,
      ALERT_WEBHOOK_URL: receiver.url,
      ALERT_SOURCE_FAILURES: String(MAX_FAILURES),
      ALERT_FAILING_SOURCES: '3',
      TRUSTED_PROXIES: '127.0.0.1',
    };
    processes = await Promise.all([1, 2, 3].map(() => startApp(variables)));
  });
  afterAll(async () => {
    await Promise.all(processes.map((each) => each.close()));
    await redis?.kill();
    await receiver.goDown();
    await database.drop();
  });

  /** Sends requests without a key to the processes in turn, like a load balancer. */
  async function sendFailures(times: number, addressOf: (turn: number) => string): Promise<void> {
    for (let turn = 0; turn < times; turn++) {
      const url = (await processes[turn % processes.length]?.getUrl()) ?? '';
      const attempt = request(url).get('/api/internal/users/1');
      await attempt.set('X-Forwarded-For', addressOf(turn)).expect(401);
    }
  }

  it.skipIf(usesRedis && !HAS_REDIS)(
    'raise one alert for failed authentications that a load balancer spreads over the processes',
    async () => {
      const alerts = () => receiver.of('repeated-failures', 'firing');
      await sendFailures(MAX_FAILURES - 1, () => ADDRESS);
      await sleep(SETTLE_MS);
      expect(alerts()).toEqual([]);
      await sendFailures(11, () => ADDRESS);
      await expect.poll(() => alerts().length, WAIT).toBe(1);
      await sendFailures(9, () => ADDRESS);
      await sleep(SETTLE_MS);
      expect(alerts()).toHaveLength(1);
      expect(alerts()[0]).toMatchObject({ subject: ADDRESS });
    },
  );

  it.skipIf(usesRedis && !HAS_REDIS)(
    'raise one alert for failures from three networks if each process sees only one network',
    async () => {
      const alerts = () => receiver.of('failures-from-many-sources', 'firing');
      expect(alerts()).toEqual([]);
      await sendFailures(3, (turn) => `198.51.100.${20 + turn}`);
      await expect.poll(() => alerts().length, WAIT).toBe(1);
    },
  );
});
