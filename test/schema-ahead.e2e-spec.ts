import { beforeAll, describe, expect, it } from 'vitest';
import { AuditService } from '../src/audit/audit.service.js';
import { PrismaService } from '../src/prisma/prisma.service.js';
import { UsageRecorder } from '../src/usage/usage-recorder.js';
import { useApp, withKey } from './support/app.js';
import { ADMITTED, REFUSED, issueKey, statusWith } from './support/keys.js';

const USERS = '/api/internal/users';
const KEYS = '/api/internal/api-keys';
const ADA = { id: 'ada', email: 'ada@example.com', name: 'Ada Lovelace' };

const app = useApp();

/**
 * Adds columns and indexes to every table, as a migration may do before the new code is deployed
 * (docs/decisions/0031-expand-and-contract.md).
 */
beforeAll(async () => {
  // A row that exists before the migration.
  await issueKey(app.url);
  const tables = await app.prisma.$queryRaw<{ name: string }[]>`
    SELECT table_name AS name FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND table_name NOT LIKE '\\_prisma%'`;
  expect(tables.length).toBeGreaterThan(9);
  for (const { name } of tables) {
    await app.prisma.$executeRawUnsafe(
      `ALTER TABLE "${name}" ADD COLUMN "next_optional" TEXT, ADD COLUMN "next_counted" BIGINT NOT NULL DEFAULT 0`,
    );
    await app.prisma.$executeRawUnsafe(`CREATE INDEX ON "${name}" ("next_counted")`);
  }
});

describe('the backend with a schema that a migration of the next release has extended', () => {
  it('serves users unchanged', async () => {
    const client = withKey(app.url);
    const { body: created } = await client.post(USERS).send(ADA).expect(201);
    await client.patch(`${USERS}/ada`).send({ phone: '+12025550123' }).expect(200);
    const { body: read } = await client.get(`${USERS}/ada`).expect(200);
    const { body: listed } = await client.get(USERS).expect(200);
    expect(read.user).toEqual({ ...created.user, phone: '+12025550123' });
    expect(listed.users).toEqual([read.user]);
    await client.get(`${USERS}/ada/accounts`).expect(200);
    await client.delete(`${USERS}/ada`).expect(204);
  });

  it('creates, admits, rotates and revokes keys', async () => {
    const { id, secret } = await issueKey(app.url);
    expect(await statusWith(app.url, secret)).toBe(ADMITTED);
    const rotated = await withKey(app.url).post(`${KEYS}/${id}/rotate`).send({}).expect(201);
    expect(await statusWith(app.url, rotated.body.secret)).toBe(ADMITTED);
    await withKey(app.url).post(`${KEYS}/${id}/revoke`).send({}).expect(200);
    expect(await statusWith(app.url, secret)).toBe(REFUSED);
  });

  it('stores usage and the audit trail', async () => {
    const { id, secret } = await issueKey(app.url);
    await statusWith(app.url, secret);
    await app.nest.get(UsageRecorder).flush();
    const { body } = await withKey(app.url).get(`${KEYS}/${id}/usage`).expect(200);
    expect(body.usage).toMatchObject({ requests: 1 });
    const events = await app.prisma.auditEvent.count();
    expect(events).toBeGreaterThan(0);
    const audit = new AuditService(app.nest.get(PrismaService, { strict: false }));
    expect(await audit.verify()).toMatchObject({ faults: [], inconsistentKeys: [] });
  });
});
