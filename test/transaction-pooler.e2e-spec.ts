import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startApp, withKey } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { ADMITTED, REFUSED, issueKey, statusWith } from './support/keys.js';
import { HAS_PGBOUNCER, PgBouncer } from './support/pgbouncer.js';

const KEYS = '/api/internal/api-keys';
const USERS = '/api/internal/users';
const ADA = { id: 'ada', email: 'ada@example.com', name: 'Ada Lovelace' };
const WAIT = { timeout: 15_000, interval: 500 };
const GRACE = { id: 'grace', email: 'grace@example.com', name: 'Grace Hopper' };

describe.skipIf(!HAS_PGBOUNCER)('the backend behind PgBouncer in transaction mode', () => {
  let database: TestDatabase;
  let pooler: PgBouncer;
  let pooled: NestFastifyApplication;
  let direct: NestFastifyApplication;
  let pooledUrl: string;
  let directUrl: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    pooler = await PgBouncer.start(database.runTimeUrl);
    pooled = await startApp({ DATABASE_URL: pooler.url, DIRECT_URL: database.runTimeUrl });
    direct = await startApp({ DATABASE_URL: database.runTimeUrl });
    [pooledUrl, directUrl] = [await pooled.getUrl(), await direct.getUrl()];
  });
  afterAll(async () => {
    await pooled?.close();
    await direct?.close();
    await pooler?.stop();
    await database?.drop();
  });

  it('creates, reads, changes and deletes users under concurrent reads', async () => {
    await withKey(pooledUrl).post(USERS).send(ADA).expect(201);
    await withKey(pooledUrl).post(USERS).send(ADA).expect(409);
    const reads = Array.from({ length: 20 }, async (_, index) => {
      const url = index % 2 === 0 ? pooledUrl : directUrl;
      // On a busy machine, some reads get 503 with Retry-After, so each read is retried.
      await vi.waitFor(async () => {
        const { body } = await withKey(url).get(`${USERS}/ada`);
        expect(body).toMatchObject({ user: ADA });
      }, WAIT);
    });
    await Promise.all(reads);
    await withKey(pooledUrl).get(`${USERS}/ada/accounts`).expect(200);
    await withKey(pooledUrl).post(`${USERS}/search`).send({ email: ADA.email }).expect(200);
    await withKey(pooledUrl).patch(`${USERS}/ada`).send({ name: 'Ada King' }).expect(200);
    const { body } = await withKey(directUrl).get(`${USERS}/ada`).expect(200);
    expect(body.user.name).toBe('Ada King');
    await withKey(pooledUrl).delete(`${USERS}/ada`).expect(204);
    await withKey(pooledUrl).get('/api/health/ready').expect(200);
  });

  it('revokes a key on both instances, whichever instance creates or revokes the key', async () => {
    for (const [creator, revoker] of [
      [pooledUrl, directUrl],
      [directUrl, pooledUrl],
    ] as const) {
      const { id, secret } = await issueKey(creator);
      for (const url of [pooledUrl, directUrl])
        expect(await statusWith(url, secret)).toBe(ADMITTED);
      const { body } = await withKey(revoker).post(`${KEYS}/${id}/revoke`).expect(200);
      expect(body.revocation).toMatchObject({ confirmed: true, instances: 2 });
      for (const url of [pooledUrl, directUrl]) expect(await statusWith(url, secret)).toBe(REFUSED);
    }
  });

  it('cancels statements in PostgreSQL after 600 ms, and leaks no setting to other clients', async () => {
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    await owner.query('BEGIN');
    await owner.query('LOCK TABLE users');
    const responses = await Promise.all(
      [0, 1].map((id) => withKey(pooledUrl).get(`${USERS}/${id}`).timeout(5000)),
    );
    for (const { body } of responses) expect(body).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    const { rows } = await owner.query(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(rows).toEqual([{ waiting: 0 }]);
    await owner.query('COMMIT');
    await owner.end();
    const other = new Client({ connectionString: pooler.url });
    await other.connect();
    for (let attempt = 0; attempt < 20; attempt++) {
      expect((await other.query('SHOW statement_timeout')).rows).toEqual([
        { statement_timeout: '0' },
      ]);
    }
    await other.end();
  });

  it('reads times in UTC, regardless of the time zone of the server', async () => {
    const name = new URL(database.url).pathname.slice(1);
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    await owner.query(`ALTER DATABASE ${name} SET TimeZone = 'Asia/Tokyo'`);
    const fresh = await PgBouncer.start(database.runTimeUrl);
    const app = await startApp({ DATABASE_URL: fresh.url, DIRECT_URL: database.runTimeUrl });
    const url = await app.getUrl();
    const lastLoginAt = '2026-01-02T03:04:05.678Z';
    await withKey(url).post(USERS).send(GRACE).expect(201);
    await withKey(url).patch(`${USERS}/grace`).send({ lastLoginAt }).expect(200);
    const { user } = (await withKey(url).get(`${USERS}/grace`)).body;
    expect(user).toMatchObject({ lastLoginAt });
    const { id } = await issueKey(url);
    const { apiKey } = (await withKey(url).get(`${KEYS}/${id}`)).body;
    for (const { createdAt } of [user, apiKey]) {
      expect(Math.abs(Date.parse(createdAt) - Date.now())).toBeLessThan(60_000);
    }
    await app.close();
    await fresh.stop();
    await owner.query(`ALTER DATABASE ${name} RESET TimeZone`);
    await owner.end();
  });

  it.each([
    ['without DIRECT_URL', () => '', 'DIRECT_URL: is required'],
    ['with a DIRECT_URL that leads to a pooler', () => pooler.url, 'DIRECT_URL: leads to'],
  ])('refuses to start %s', async (_case, directUrlOf, message) => {
    const DIRECT_URL = directUrlOf();
    await expect(startApp({ DATABASE_URL: pooler.url, DIRECT_URL })).rejects.toThrow(message);
  });

  it('starts without DIRECT_URL if PgBouncer is in session mode', async () => {
    const sessions = await PgBouncer.start(database.runTimeUrl, 'session');
    const app = await startApp({ DATABASE_URL: sessions.url });
    const { id } = await issueKey(await app.getUrl());
    const { body } = await withKey(directUrl).post(`${KEYS}/${id}/revoke`).expect(200);
    expect(body.revocation).toMatchObject({ confirmed: true });
    await app.close();
    await sessions.stop();
  });
});
