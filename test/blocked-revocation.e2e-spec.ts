import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type KeyChange, KeyChanges } from '../src/api-keys/key-changes.js';
import { startApp, withKey } from './support/app.js';
import { DatabaseAttacker } from './support/database-attacker.js';
import { type TestDatabase, createTestDatabase } from './support/database.js';
import { type IssuedTestKey, REFUSED, issueKey, statusWith } from './support/keys.js';
import { runStatements } from './support/run-statements.js';

let database: TestDatabase;
let app: NestFastifyApplication;
let url: string;
let key: IssuedTestKey;
let attacker: DatabaseAttacker | undefined;

beforeAll(async () => {
  database = await createTestDatabase();
  app = await startApp({ DATABASE_URL: database.runTimeUrl });
  url = await app.getUrl();
});
beforeEach(async () => {
  key = await issueKey(url);
});
afterEach(() => attacker?.stop());
afterAll(async () => {
  await app.close();
  await database.drop();
});

const revoke = () => withKey(url).post(`/api/internal/api-keys/${key.id}/revoke`);

async function lockRow(databaseUrl: string): Promise<void> {
  attacker = new DatabaseAttacker(databaseUrl);
  await attacker.hold(`SELECT FROM api_keys WHERE id = '${key.id}' FOR UPDATE`);
}

describe('a revocation', () => {
  it('ends a session that has the run-time role and locks the key', async () => {
    await lockRow(database.runTimeUrl);
    const { body } = await revoke().expect(200);
    expect(body.revocation).toMatchObject({ confirmed: true, silentInstances: 0 });
    expect(await statusWith(url, key.secret)).toBe(REFUSED);
  });

  it('returns 503 while a session of the owner of the tables locks the key', async () => {
    await lockRow(database.url);
    const { body } = await revoke().expect(503);
    expect(body.code).toBe('DATABASE_UNAVAILABLE');
  });

  it('succeeds even if it cannot end the sessions that block it', async () => {
    const change = async ({ prisma }: KeyChange) => {
      // Longer than the 300 ms after which a revocation ends the sessions that block it.
      await prisma.$queryRaw`SELECT pg_sleep(0.4)::text`;
      return 'revoked';
    };
    const blockers = { end: () => Promise.reject(new Error('the connection is lost')) };
    expect(await app.get(KeyChanges).revoke('test', change, blockers)).toBe('revoked');
  });

  it('ignores acknowledgements that are not signed with a root key', async () => {
    const forged = ['garbage', `${'0'.repeat(16)} ${key.id} 1 forged`];
    const notify = forged.map((text) => `NOTIFY latchkey_key_acknowledgements, '${text}'`);
    await runStatements(database.runTimeUrl, notify);
    const { body } = await revoke().expect(200);
    expect(body.revocation).toMatchObject({ confirmed: true, instances: 1 });
  });
});
