import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { UsageRecorder } from '../src/usage/usage-recorder.js';
import { API_KEY, startApp, useApp, withKey } from './support/app.js';
import { type TestDatabase, createTestDatabase } from './support/database.js';
import { issueKey, statusWith } from './support/keys.js';
import { BACKEND_MAIN, ServerProcess } from './support/server-process.js';

const KEYS = '/api/internal/api-keys';
const USER_ROUTE = 'GET /api/internal/users/:id';
const HOUR_MS = 3_600_000;
const FLUSH_INTERVAL_MS = 5000;

const app = useApp();

async function databaseUrl(): Promise<string> {
  const [{ name }] = await app.prisma.$queryRaw<
    [{ name: string }]
  >`SELECT current_database() AS name`;
  return new URL(`/${name}`, inject('databaseServerUrl')).href;
}

/** Waits until the backend has recorded this number of requests of a key. */
async function waitForUsage(id: string, requests: number, path = KEYS) {
  return expect
    .poll(
      async () => {
        await app.nest.get(UsageRecorder).flush();
        const { body } = await withKey(app.url).get(`${path}/${id}/usage`).expect(200);
        return body.usage;
      },
      { timeout: 10_000 },
    )
    .toMatchObject({ requests });
}

async function readUsage(id: string, query = ''): Promise<Record<string, unknown>> {
  const { body } = await withKey(app.url).get(`${KEYS}/${id}/usage${query}`).expect(200);
  return body.usage;
}

describe('the usage of a key', () => {
  it('counts every request by hour, route and outcome', async () => {
    const { id, secret } = await issueKey(app.url);
    for (let time = 0; time < 3; time++) await statusWith(app.url, secret);
    await withKey(app.url, secret).get(KEYS).expect(403);
    await waitForUsage(id, 4);
    const { outcomes, hours } = await readUsage(id);
    expect(outcomes).toEqual([
      { outcome: 'admitted', requests: 3 },
      { outcome: 'forbidden', requests: 1 },
    ]);
    // The list may have more entries, because a new hour may begin between the requests.
    const hour = expect.stringMatching(/:00:00\.000Z$/);
    const forbidden = { hour, route: `GET ${KEYS}`, outcome: 'forbidden', requests: 1 };
    expect(hours).toContainEqual(forbidden);
    expect(hours).toContainEqual(
      expect.objectContaining({ hour, route: USER_ROUTE, outcome: 'admitted' }),
    );
  });

  it('includes refused requests, even after the key’s revocation', async () => {
    const { id, secret } = await issueKey(app.url, { rateLimit: 2 });
    for (let time = 0; time < 3; time++) await statusWith(app.url, secret);
    await withKey(app.url).post(`${KEYS}/${id}/revoke`).expect(200);
    await statusWith(app.url, secret);
    await waitForUsage(id, 4);
    const { outcomes } = await readUsage(id);
    expect(outcomes).toEqual([
      { outcome: 'admitted', requests: 2 },
      { outcome: 'rate-limited', requests: 1 },
      { outcome: 'revoked', requests: 1 },
    ]);
  });

  it('can be read for a given period', async () => {
    const { id, secret } = await issueKey(app.url);
    await statusWith(app.url, secret);
    await waitForUsage(id, 1);
    expect(await readUsage(id, '?to=2026-01-02T00:00:00Z')).toMatchObject({
      from: '2026-01-01T00:00:00.000Z',
      to: '2026-01-02T00:00:00.000Z',
      requests: 0,
      hours: [],
    });
  });

  it.each([
    '?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z',
    '?from=2020-01-01T00:00:00Z',
    '?from=yesterday',
    '?hours=3',
  ])('cannot be read with the query %s', async (query) => {
    const { id } = await issueKey(app.url);
    const { body } = await withKey(app.url).get(`${KEYS}/${id}/usage${query}`).expect(400);
    expect(body.code).toBe('INVALID_REQUEST');
  });

  it('cannot be read for a key that does not exist', async () => {
    const unknown = `${KEYS}/019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90/usage`;
    const { body } = await withKey(app.url).get(unknown).expect(404);
    expect(body.code).toBe('API_KEY_NOT_FOUND');
  });

  it('is also available for root keys', async () => {
    const { body } = await withKey(app.url).get('/api/internal/root-keys').expect(200);
    const [{ id }] = body.rootKeys;
    await app.nest.get(UsageRecorder).flush();
    const { body: response } = await withKey(app.url).get(`/api/internal/root-keys/${id}/usage`);
    expect(response.usage.keyId).toBe(id);
    expect(response.usage.requests).toBeGreaterThan(0);
  });

  it('is deleted after 90 days', async () => {
    const { id } = await issueKey(app.url);
    const recorder = '019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90';
    const row = { keyId: id, route: USER_ROUTE, outcome: 'admitted', recorder, requests: 1n };
    const old = new Date(Date.now() - 91 * 24 * HOUR_MS);
    await app.prisma.apiKeyUsage.create({ data: { ...row, hour: old } });
    const url = await databaseUrl();
    // A process deletes old usage at its first write.
    const other = await startApp({ DATABASE_URL: url });
    await other.get(UsageRecorder).flush();
    await other.close();
    expect(await app.prisma.apiKeyUsage.count({ where: { keyId: id } })).toBe(0);
  });
});

describe('a process that is killed', () => {
  it('loses at most the usage of its last 5 s', async () => {
    const doomed = await ServerProcess.start(BACKEND_MAIN, {
      NODE_ENV: 'test',
      PORT: '0',
      DATABASE_URL: await databaseUrl(),
      INTERNAL_API_KEY: API_KEY,
    });
    const { id, secret } = await issueKey(doomed.origin);
    for (let time = 0; time < 7; time++) await statusWith(doomed.origin, secret);
    await sleep(FLUSH_INTERVAL_MS + 500);
    await statusWith(doomed.origin, secret);
    await doomed.stop('SIGKILL');
    const { requests } = await readUsage(id);
    expect(requests).toBeGreaterThanOrEqual(7);
  });
});

describe('the command keys usage', () => {
  let database: TestDatabase;
  let backend: ServerProcess;
  beforeAll(async () => {
    database = await createTestDatabase();
    backend = await ServerProcess.start(BACKEND_MAIN, {
      NODE_ENV: 'test',
      PORT: '0',
      DATABASE_URL: database.url,
      INTERNAL_API_KEY: API_KEY,
    });
  });
  afterAll(async () => {
    await backend.stop('SIGKILL');
    await database.drop();
  });

  async function keys(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['dist/cli.js', 'keys', ...args],
      {
        env: {
          PATH: process.env.PATH,
          NODE_ENV: 'test',
          DATABASE_URL: database.url,
          INTERNAL_API_KEY: API_KEY,
        },
      },
    );
    return stdout;
  }

  it('shows all usage up to the graceful shutdown of the server', async () => {
    const { id, secret } = await issueKey(backend.origin);
    for (let time = 0; time < 5; time++) await statusWith(backend.origin, secret);
    await statusWith(backend.origin, 'wrong');
    await backend.stop();
    const report = await keys('usage', id);
    expect(report).toContain(`${id}\n5 requests from`);
    expect(report).toMatch(/\d\d:00 +5 +█+\n/);
    expect(report).toMatch(/GET \/api\/internal\/users\/:id +admitted +5\n/);
    const { usage } = JSON.parse(await keys('usage', id, '--json', '--hours', '2'));
    expect(usage.outcomes).toEqual([{ outcome: 'admitted', requests: 5 }]);
    // The id `none` stands for requests without a known key, here the one with the key `wrong`.
    expect(JSON.parse(await keys('usage', 'none', '--json')).usage.requests).toBe(1);
  });

  it('exits with 3 for a key that does not exist', async () => {
    const unknown = keys('usage', '019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90');
    await expect(unknown).rejects.toMatchObject({ code: 3 });
  });

  it('exits with 2 for a period that is too long', async () => {
    await expect(keys('usage', 'none', '--hours', '1000')).rejects.toMatchObject({ code: 2 });
  });
});

describe('usage that cannot be saved', () => {
  it('is kept in memory until it can be saved, and is counted once', async () => {
    const { id, secret } = await issueKey(app.url);
    await statusWith(app.url, secret);
    await waitForUsage(id, 1);
    await app.prisma.$executeRaw`ALTER TABLE api_key_usage RENAME TO away`;
    await statusWith(app.url, secret);
    await app.nest.get(UsageRecorder).flush();
    await app.prisma.$executeRaw`ALTER TABLE away RENAME TO api_key_usage`;
    await waitForUsage(id, 2);
  });
});

describe('a server with USAGE_RECORDING=off', () => {
  const uncounted = useApp({ USAGE_RECORDING: 'off' });

  it('records the last use of a key, but counts no requests', async () => {
    const { id, secret } = await issueKey(uncounted.url);
    await statusWith(uncounted.url, secret);
    const readLastUse = async () => {
      await uncounted.nest.get(UsageRecorder).flush();
      const { body } = await withKey(uncounted.url).get(`${KEYS}/${id}`).expect(200);
      return body.apiKey.lastUse;
    };
    await expect.poll(readLastUse).not.toBeNull();
    const { body } = await withKey(uncounted.url).get(`${KEYS}/${id}/usage`).expect(200);
    expect(body.usage.requests).toBe(0);
  });
});
