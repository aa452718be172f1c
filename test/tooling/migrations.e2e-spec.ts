import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMigrations } from '../../scripts/migrations.js';
import { createEmptyDatabase, createTestDatabase } from '../support/database.js';

/** Changes that break older code (docs/decisions/0031-expand-and-contract.md). */
const CONTRACTING = [
  /\bDROP\s+(?:TABLE|COLUMN|TYPE|FUNCTION|VIEW|DEFAULT)\b/i,
  /\bRENAME\b/i,
  /\bSET\s+(?:NOT\s+NULL|DATA\s+TYPE)\b/i,
  /\bALTER\s+COLUMN\s+\S+\s+TYPE\b/i,
  /\bADD\s+COLUMN\s+(?![^,;]*\bDEFAULT\b)[^,;]*\bNOT\s+NULL\b/i,
  /\bADD\s+CONSTRAINT\b/i,
  /\bCREATE\s+UNIQUE\s+INDEX\b/i,
];
/** The comment with which a migration announces such a change. */
const ANNOUNCED = /^-- Contract: /m;
const TABLE = /\b(?:TABLE|ON)\s+(?:ONLY\s+)?"?(\w+)"?/i;

function breaksOlderCode(migration: string): boolean {
  const created = new Set(
    [...migration.matchAll(/CREATE TABLE "?(\w+)"?/gi)].map(([, name]) => name),
  );
  return (
    !ANNOUNCED.test(migration) &&
    statementsOf(migration).some((statement) => {
      // Older code does not use a table that the migration creates.
      const isNew = created.has(TABLE.exec(statement)?.[1]);
      return !isNew && CONTRACTING.some((form) => form.test(statement));
    })
  );
}

/**
 * Removes comments, function bodies and text in parentheses from a migration, and splits the rest
 * into statements. A comma in parentheses would otherwise look like the end of a column.
 */
function statementsOf(migration: string): string[] {
  const plain = migration
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/\bAS\s+\$(\w*)\$[\s\S]*?\$\1\$/gi, '')
    .replaceAll(/\([^()]*\)/g, '');
  return plain.split(';');
}

const migrations = await readMigrations();

describe('migrations', () => {
  it.each(migrations)('are compatible with older code: $name', ({ sql }) => {
    expect(breaksOlderCode(sql)).toBe(false);
  });

  it.each([
    'ALTER TABLE "users" DROP COLUMN "phone";',
    'ALTER TABLE "users" RENAME COLUMN "phone" TO "telephone";',
    'ALTER TABLE "users" ALTER COLUMN "phone" SET NOT NULL;',
    'ALTER TABLE "users" ALTER COLUMN "phone" SET DATA TYPE VARCHAR(5);',
    'ALTER TABLE "users" ADD COLUMN "nickname" TEXT NOT NULL;',
    'DROP TABLE "users";',
    'DO $$ BEGIN ALTER TABLE "users" DROP COLUMN "phone"; END $$;',
    'ALTER TABLE "accounts" ADD COLUMN "limit" DECIMAL(19,4) NOT NULL;',
    'ALTER TABLE "users" ALTER COLUMN "roles" DROP DEFAULT;',
    'ALTER TABLE "users" ADD CONSTRAINT "named" CHECK (length("name") > 1);',
    'CREATE UNIQUE INDEX "users_phone_key" ON "users"("phone");',
  ])('must announce the statement %s', (statement) => {
    expect(breaksOlderCode(statement)).toBe(true);
    expect(breaksOlderCode(`-- Contract: no code reads it since 1.2.0.\n${statement}`)).toBe(false);
  });

  it.each([
    'ALTER TABLE "users" ADD COLUMN "nickname" TEXT;',
    'CREATE TABLE "notes" ("id" TEXT NOT NULL); CREATE UNIQUE INDEX "notes_id_key" ON "notes"("id");',
    'ALTER TABLE "users" ADD COLUMN "logins" INTEGER NOT NULL DEFAULT 0;',
  ])('need not announce the statement %s', (statement) => {
    expect(breaksOlderCode(statement)).toBe(false);
  });
});

describe('the migration to least privilege', () => {
  const MIGRATION = '20261130090000_least_privilege';
  let client: Client;
  let url: string;
  let drop: () => Promise<void>;

  /** Adds a key as the previous release created it, or an irregular key that no release creates. */
  const addKey = (id: string, scopes: string, userFields: string | null, more = '') =>
    client.query(
      `INSERT INTO api_keys (id, digest, hint, environment, name, scopes, user_fields, created_by, expires_at${more && ', revoked_at, revoked_by'})
       VALUES ($1, sha256(convert_to($1, 'UTF8')), '', 'test', $1, $2, $3, 'root_00000000', now() + interval '90 days'${more})`,
      [id, scopes, userFields],
    );
  const keyOf = async (id: string) =>
    (
      await client.query(
        'SELECT scopes, user_fields, write_fields, budgets, lineage_ends_at FROM api_keys WHERE id = $1',
        [id],
      )
    ).rows[0];

  beforeAll(async () => {
    ({ url, drop } = await createEmptyDatabase());
    client = new Client({ connectionString: url });
    await client.connect();
    const at = migrations.findIndex(({ name }) => name === MIGRATION);
    for (const { sql } of migrations.slice(0, at)) await client.query(sql);
    await addKey('whole', '{users:read,users:write,accounts:read}', null);
    await addKey('names', '{users:read,users:write}', '{email,name}');
    await addKey('roles', '{users:write}', '{name,roles}');
    await addKey('reader', '{users:read}', '{}');
    await addKey('revoked', '{users:write}', null, `, now(), 'the test'`);
    await addKey('nulls', '{NULL,users:write}', '{NULL,name}');
    await addKey('unknown', '{users:all}', '{digest}');
    await addKey('nothing', '{users:write,users:grant}', null);
    await client.query(migrations[at]?.sql ?? '');
  });

  afterAll(async () => {
    await client.end();
    await drop();
  });

  it.each([
    ['whole', ['users:read', 'users:write', 'accounts:read', 'users:grant'], null],
    ['names', ['users:read', 'users:write'], ['email', 'name']],
    ['roles', ['users:write', 'users:grant'], ['name', 'roles']],
    ['reader', ['users:read'], null],
    ['revoked', ['users:write'], null],
    ['nulls', [null, 'users:write'], [null, 'name']],
    ['unknown', ['users:all'], ['digest']],
    ['nothing', ['users:write', 'users:grant'], null],
  ])('preserves exactly the rights of the key %s', async (id, scopes, writeFields) => {
    expect(await keyOf(id)).toMatchObject({
      scopes,
      write_fields: writeFields,
      budgets: null,
      lineage_ends_at: null,
    });
  });

  it('is recorded in the audit trail', async () => {
    const { rows } = await client.query(
      `SELECT subject FROM audit_events WHERE actor = 'migration' AND action = 'update' ORDER BY subject`,
    );
    const changed = rows.map(({ subject }) => subject);
    expect(changed).toEqual(['names', 'nulls', 'roles', 'unknown', 'whole']);
  });
});

it('the migrations create exactly the tables of the Prisma schema', async () => {
  const database = await createTestDatabase();
  const diff = [
    'migrate',
    'diff',
    '--from-config-datasource',
    '--to-schema',
    'prisma/schema.prisma',
    '--exit-code',
  ];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['node_modules/prisma/build/index.js', ...diff],
    {
      env: {
        ...process.env,
        DATABASE_URL: database.url,
        DATABASE_URL_FILE: '',
        CHECKPOINT_DISABLE: '1',
      },
    },
  );
  expect(stdout).toContain('No difference detected');
  await database.drop();
});
