import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readMigrations } from '../../scripts/migrations.js';
import { createTestDatabase } from '../support/database.js';

/** What code that does not know of the migration may not survive: docs/decisions/0031-expand-and-contract.md. */
const CONTRACTING =
  /\b(?:DROP\s+(?:TABLE|COLUMN|TYPE|FUNCTION|VIEW)|RENAME|SET\s+NOT\s+NULL|SET\s+DATA\s+TYPE|ALTER\s+COLUMN\s+\S+\s+TYPE|ADD\s+COLUMN\s+(?![^,;]*\bDEFAULT\b)[^,;]*\bNOT\s+NULL)\b/i;
const ANNOUNCED = /^-- Contract: /m;

function breaksOlderCode(migration: string): boolean {
  return CONTRACTING.test(migration) && !ANNOUNCED.test(migration);
}

const migrations = await readMigrations();

describe('migrations', () => {
  it.each(migrations)('$name leaves older code alive', ({ sql }) => {
    expect(breaksOlderCode(sql)).toBe(false);
  });

  it.each([
    'ALTER TABLE "users" DROP COLUMN "phone";',
    'ALTER TABLE "users" RENAME COLUMN "phone" TO "telephone";',
    'ALTER TABLE "users" ALTER COLUMN "phone" SET NOT NULL;',
    'ALTER TABLE "users" ALTER COLUMN "phone" SET DATA TYPE VARCHAR(5);',
    'ALTER TABLE "users" ADD COLUMN "nickname" TEXT NOT NULL;',
    'DROP TABLE "users";',
  ])('may not say %s unless they announce it', (statement) => {
    expect(breaksOlderCode(statement)).toBe(true);
    expect(breaksOlderCode(`-- Contract: no code reads it since 1.2.0.\n${statement}`)).toBe(false);
  });

  it.each([
    'ALTER TABLE "users" ADD COLUMN "nickname" TEXT;',
    'ALTER TABLE "users" ADD COLUMN "logins" INTEGER NOT NULL DEFAULT 0;',
  ])('may say %s', (statement) => {
    expect(breaksOlderCode(statement)).toBe(false);
  });
});

it('the migrations make exactly what the schema says', async () => {
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
      env: { ...process.env, DATABASE_URL: database.url, CHECKPOINT_DISABLE: '1' },
    },
  );
  expect(stdout).toContain('No difference detected');
  await database.drop();
});
