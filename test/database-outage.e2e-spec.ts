import { setTimeout as sleep } from 'node:timers/promises';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DatabasePool } from '../src/prisma/database-pool.js';
import { API_KEY, startApp, useApp, withKey } from './support/app.js';
import { createTestDatabase } from './support/database.js';
import { DatabaseProxy } from './support/database-proxy.js';
import { listenSilently } from './support/silent-server.js';
import { issueKey } from './support/keys.js';
import { addUser } from './support/users.js';

const UNAVAILABLE = { status: 503, code: 'DATABASE_UNAVAILABLE', retryable: true };

const ROUTES: [method: 'get' | 'post' | 'patch' | 'delete', path: string, body?: object][] = [
  ['get', '/api/internal/users/1'],
  ['get', '/api/internal/users'],
  ['get', '/api/internal/users?ids=1'],
  ['get', '/api/internal/users/1/accounts'],
  ['post', '/api/internal/users/search', { email: 'a@example.com' }],
  ['post', '/api/internal/users', { email: 'a@example.com', name: 'A' }],
  ['patch', '/api/internal/users/1', { name: 'A' }],
  ['delete', '/api/internal/users/2'],
];

describe('the health of the backend with a database', () => {
  const app = useApp();

  it.each(['', '/ready'])('is up at /api/health%s', async (path) => {
    const { body } = await request(app.url).get(`/api/health${path}`).expect(200);
    expect(body).toEqual({ status: 'up', checks: { database: 'up', apiKeys: 'up', limits: 'up' } });
  });

  it('includes the version at /api/health for a valid key', async () => {
    const { secret, id } = await issueKey(app.url);
    for (const key of [API_KEY, secret]) {
      const { body } = await withKey(app.url, key).get('/api/health').expect(200);
      expect(body).toMatchObject({ status: 'up', version: '0.1.0' });
    }
    await withKey(app.url).post(`/api/internal/api-keys/${id}/revoke`).expect(200);
    for (const key of ['', 'wrong', secret]) {
      const { body } = await withKey(app.url, key).get('/api/health').expect(200);
      expect(body).not.toHaveProperty('version');
    }
  });

  it('is up at /api/health/live', async () => {
    const { body } = await request(app.url).get('/api/health/live').expect(200);
    expect(body).toEqual({ status: 'up' });
  });
});

describe('the backend without a database', () => {
  let url: string;
  let stop: () => Promise<void>;
  beforeEach(async () => {
    const app = await startApp({ DATABASE_URL: 'postgresql://nobody:pw@127.0.0.1:1/none' });
    url = await app.getUrl();
    stop = () => app.close();
  });
  afterEach(() => stop());

  it.each(ROUTES)('returns 503 with a Retry-After header for %s %s', async (method, path, body) => {
    const response = await withKey(url)[method](path).send(body).expect(503);
    expect(response.body).toMatchObject(UNAVAILABLE);
    expect(response.headers['retry-after']).toBe('1');
  });

  it('is live but not ready, and does not reveal the database host', async () => {
    await request(url).get('/api/health/live').expect(200);
    for (const path of ['/api/health', '/api/health/ready']) {
      const { body } = await request(url).get(path).expect(503);
      expect(body).toEqual({
        status: 'down',
        checks: { database: 'down', apiKeys: 'down', limits: 'up' },
      });
    }
  });
});

describe('a database that accepts connections and never responds', () => {
  it('makes concurrent requests to all routes time out with 503', async () => {
    const silent = await listenSilently();
    const app = await startApp({
      DATABASE_URL: `postgresql://nobody@127.0.0.1:${silent.port}/none`,
    });
    const url = await app.getUrl();
    const responses = ROUTES.map(([method, path, body]) =>
      withKey(url)[method](path).send(body).timeout(4000),
    );
    for (const { body } of await Promise.all(responses)) expect(body).toMatchObject(UNAVAILABLE);
    await app.close();
    silent.close();
  });
});

describe('a database that stops responding', () => {
  it('makes queries time out, even on a connection that was idle, and serves queries again after it recovers', async () => {
    const database = await createTestDatabase();
    const proxy = await DatabaseProxy.start(database.url);
    const app = await startApp({ DATABASE_URL: proxy.url });
    const get = async () => withKey(await app.getUrl()).get('/api/internal/users/1');
    await get().then(({ status }) => expect(status).toBe(404));
    // After 700 ms, the socket time-out fires on the idle connection. It must fire again during the
    // next query.
    await sleep(1500);
    proxy.silence('latchkey');
    const startedAt = performance.now();
    expect((await get()).body).toMatchObject(UNAVAILABLE);
    expect(performance.now() - startedAt).toBeLessThan(1400);
    proxy.restore();
    await vi.waitUntil(async () => (await get()).status === 404, { timeout: 5000 });
    await app.close();
    await proxy.stop();
    await database.drop();
  });
});

describe('a connection of the pool', () => {
  it('does not end the process if it breaks while it is in use', async () => {
    const database = await createTestDatabase();
    const app = await startApp({ DATABASE_URL: database.url });
    const client = await app.get(DatabasePool, { strict: false }).connect();
    expect(() => client.emit('error', new Error('terminated'))).not.toThrow();
    client.release(true);
    await app.close();
    await database.drop();
  });
});

describe('changes of keys', () => {
  const app = useApp();
  const MANY = 10;
  const BOUND_MS = 2500;

  /** The duration of the slowest of many concurrent changes, in milliseconds. */
  async function slowestChange(url: string): Promise<number> {
    const startedAt = performance.now();
    const body = { name: 'test', scopes: ['users:read'] };
    const issue = async () => withKey(url).post('/api/internal/api-keys').send(body);
    const responses = await Promise.all(Array.from({ length: MANY }, issue));
    for (const response of responses) expect(response.body).toMatchObject(UNAVAILABLE);
    return performance.now() - startedAt;
  }

  it('fail concurrently, not one after another, while the table is locked', async () => {
    await app.prisma.$transaction(async (transaction) => {
      await transaction.$executeRaw`LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE`;
      expect(await slowestChange(app.url)).toBeLessThan(BOUND_MS);
    });
    await issueKey(app.url);
  });

  it('fail concurrently, not one after another, while the database does not respond', async () => {
    const database = await createTestDatabase();
    const proxy = await DatabaseProxy.start(database.url);
    const proxied = await startApp({ DATABASE_URL: proxy.url });
    const url = await proxied.getUrl();
    await issueKey(url);
    proxy.silence('latchkey-key-change');
    expect(await slowestChange(url)).toBeLessThan(BOUND_MS);
    proxy.restore();
    await issueKey(url);
    await proxied.close();
    await proxy.stop();
    await database.drop();
  });
});

describe('a database that is unavailable for a while', () => {
  const app = useApp({ DATABASE_POOL_MAX: '1' });
  const get = (id: string) => withKey(app.url).get(`/api/internal/users/${id}`);
  const cutConnections = () =>
    app.prisma.$executeRaw`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'latchkey' AND datname = current_database()`;

  it('is used again after it closed the connections', async () => {
    const { id } = await addUser(app.prisma);
    await get(id).expect(200);
    await cutConnections();
    const first = await get(id);
    expect([200, 503]).toContain(first.status);
    await get(id).expect(200);
  });

  it('causes 503 while the table is locked, and 200 afterwards', async () => {
    const { id } = await addUser(app.prisma);
    await app.prisma.$transaction(async (transaction) => {
      await transaction.$executeRaw`LOCK TABLE users IN ACCESS EXCLUSIVE MODE`;
      const { body } = await get(id).expect(503);
      expect(body).toMatchObject(UNAVAILABLE);
    });
    await get(id).expect(200);
  });

  it('causes 503 for requests that wait too long for a pool connection', async () => {
    const { id } = await addUser(app.prisma);
    await app.prisma.$transaction(async (transaction) => {
      await transaction.$executeRaw`LOCK TABLE users IN ACCESS EXCLUSIVE MODE`;
      const responses = await Promise.all(Array.from({ length: 5 }, () => get(id)));
      expect(responses.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
    });
    await vi.waitUntil(async () => (await get(id)).status === 200, 10_000);
  });

  it('causes 503 for writes while it is read-only', async () => {
    const { id } = await addUser(app.prisma);
    const [{ name } = { name: '' }] = await app.prisma.$queryRaw<
      { name: string }[]
    >`SELECT current_database() AS name`;
    await app.prisma.$executeRawUnsafe(
      `ALTER DATABASE "${name}" SET default_transaction_read_only = on`,
    );
    await cutConnections();
    await get(id);
    const { body } = await withKey(app.url)
      .patch(`/api/internal/users/${id}`)
      .send({ name: 'X' })
      .expect(503);
    expect(body).toMatchObject(UNAVAILABLE);
    await get(id).expect(200);
  });
});
