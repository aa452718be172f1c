import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, withKey } from '../support/app.js';
import { DatabaseAttacker } from '../support/database-attacker.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { ADMITTED, type IssuedTestKey, REFUSED, issueKey, statusWith } from '../support/keys.js';

const KEYS = '/api/internal/api-keys';
// From docs/decisions/0034-revocation-with-a-compromised-role.md. A busy machine takes longer.
const BOUND_MS = process.env.FULL === '1' ? 1200 : 2000;
const UNAVAILABLE_BOUND_MS = process.env.FULL === '1' ? 2000 : 3000;
const ATTACKERS = 10;

let database: TestDatabase;
let apps: NestFastifyApplication[];
let urls: string[];
let attacker: DatabaseAttacker;
let key: IssuedTestKey;

beforeAll(async () => {
  database = await createTestDatabase();
  apps = [
    await startApp({ DATABASE_URL: database.runTimeUrl }),
    await startApp({ DATABASE_URL: database.runTimeUrl }),
  ];
  urls = await Promise.all(apps.map((app) => app.getUrl()));
});
beforeEach(async () => {
  attacker = new DatabaseAttacker(database.runTimeUrl);
  key = await issueKey(firstUrl());
  expect(await statusWith(firstUrl(), key.secret)).toBe(ADMITTED);
});
afterEach(() => attacker.stop());
afterAll(async () => {
  for (const app of apps) await app.close();
  await database.drop();
});

const lockRowOf = (id: string) => `SELECT FROM api_keys WHERE id = '${id}' FOR UPDATE`;
const LOCK_AUDIT_TRAIL = [
  'SET CONSTRAINTS ALL IMMEDIATE',
  `INSERT INTO users (id, email, name, updated_at) SELECT id, id, 'Eve', now() FROM CAST(gen_random_uuid() AS TEXT) AS id`,
];

const firstUrl = () => urls[0] ?? '';

async function expectRevocationInTime(): Promise<void> {
  const startedAt = performance.now();
  const { body } = await withKey(firstUrl()).post(`${KEYS}/${key.id}/revoke`).expect(200);
  expect(performance.now() - startedAt).toBeLessThan(BOUND_MS);
  expect(body.revocation).toMatchObject({ confirmed: true, instances: urls.length });
  for (const url of urls) expect(await statusWith(url, key.secret)).toBe(REFUSED);
}

describe('a revocation while an attacker uses the run-time role', () => {
  it('does not wait for the advisory lock that earlier releases used for the audit trail', async () => {
    await attacker.hold('SELECT pg_advisory_lock(7205013)');
    await expectRevocationInTime();
  });

  it('ends a session that has locked the row of the key', async () => {
    await attacker.hold(lockRowOf(key.id));
    await expectRevocationInTime();
  });

  it('ends a session with an uncommitted change of the key', async () => {
    await attacker.hold(
      `UPDATE api_keys SET retires_at = now(), rotated_at = now() WHERE id = '${key.id}'`,
    );
    await expectRevocationInTime();
  });

  it('ends a session that locks the audit trail by an uncommitted change of a user', async () => {
    await attacker.hold(...LOCK_AUDIT_TRAIL);
    await expectRevocationInTime();
  });

  it('completes although ten ended sessions reconnect and queue for the row of the key again', async () => {
    await attacker.keepHeld(ATTACKERS, lockRowOf(key.id));
    await expectRevocationInTime();
  });

  it('completes although ended sessions queue again for the row and for the audit trail', async () => {
    await attacker.keepHeld(ATTACKERS, lockRowOf(key.id));
    await attacker.keepHeld(ATTACKERS, ...LOCK_AUDIT_TRAIL);
    await expectRevocationInTime();
  });

  it('does not wait for rotations of another key whose row is locked', async () => {
    const other = await issueKey(firstUrl());
    await attacker.hold(lockRowOf(other.id));
    const rotations = [1, 2, 3].map(() =>
      withKey(firstUrl())
        .post(`${KEYS}/${other.id}/rotate`)
        .send({})
        .then(({ status }) => status),
    );
    await expectRevocationInTime();
    for (const status of await Promise.all(rotations)) expect(status).toBe(503);
  });
});

describe('a revocation while the owner of the database locks the row of the key', () => {
  it('gets 503 within seconds, and succeeds after the lock is released', async () => {
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    await owner.query('BEGIN');
    await owner.query(lockRowOf(key.id));
    const startedAt = performance.now();
    const { body } = await withKey(firstUrl()).post(`${KEYS}/${key.id}/revoke`).expect(503);
    expect(performance.now() - startedAt).toBeLessThan(UNAVAILABLE_BOUND_MS);
    expect(body).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true });
    await owner.query('ROLLBACK');
    await owner.end();
    await expectRevocationInTime();
  });
});
