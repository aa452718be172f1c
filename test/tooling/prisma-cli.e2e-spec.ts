import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { PrismaProject } from './prisma-cli/prisma-project.js';

const MIGRATIONS = 'prisma/migrations';
const BROKEN_MIGRATION = '20260102000000_broken';
const SLOW_MIGRATION = '20260102000000_slow';
const COLUMNS_OF_BOOK = `SELECT column_name FROM information_schema.columns
  WHERE table_name = 'Book' ORDER BY ordinal_position`;
const TABLES = `SELECT tablename FROM pg_tables
  WHERE tableowner = current_user ORDER BY tablename COLLATE "C"`;
const APPLIED_MIGRATIONS = `SELECT migration_name FROM _prisma_migrations
  WHERE finished_at IS NOT NULL ORDER BY started_at`;

describe.concurrent('the Prisma CLI with the WASM schema engine', { timeout: 60_000 }, () => {
  it('migrate dev creates the database, and creates and applies a new migration', async () => {
    await using project = await PrismaProject.create();
    await project.dropDatabase();
    await project.addColumnToSchema();

    const { code, output } = await project.run(['migrate', 'dev', '--name', 'pages']);

    expect(output).toContain('Your database is now in sync with your schema.');
    expect(code).toBe(0);
    const migrations = await readdir(join(project.folder, MIGRATIONS));
    const made = migrations.find((name) => name.endsWith('_pages')) ?? '';
    const script = await readFile(join(project.folder, MIGRATIONS, made, 'migration.sql'), 'utf8');
    expect(script).toContain('ALTER TABLE "Book" ADD COLUMN     "pages" INTEGER;');
    expect(await project.query(APPLIED_MIGRATIONS)).toEqual([['20260101000000_init'], [made]]);
    expect(await project.query(COLUMNS_OF_BOOK)).toContainEqual(['pages']);
    expect(await project.shadowDatabases()).toEqual([]);
  });

  it('migrate status and migrate dev report an up-to-date schema after migrate deploy', async () => {
    await using project = await PrismaProject.create();
    await project.run(['migrate', 'deploy']);

    const status = await project.run(['migrate', 'status']);
    const dev = await project.run(['migrate', 'dev']);

    expect(status.output).toContain('Database schema is up to date!');
    expect(status.code).toBe(0);
    expect(dev.output).toContain('Already in sync, no schema change or pending migration');
    expect(dev.code).toBe(0);
    expect(await project.query(APPLIED_MIGRATIONS)).toEqual([['20260101000000_init']]);
  });

  it('migrate dev detects drift and does not change the database', async () => {
    await using project = await PrismaProject.create();
    await project.query('CREATE TABLE "Drift" ()');

    const { code, output } = await project.run(['migrate', 'dev']);

    expect(output).toContain('Drift detected');
    expect(output).toMatch(/\[\+\] Added tables\s+- Drift/);
    expect(code).not.toBe(0);
    expect(await project.query(TABLES)).toEqual([['Drift']]);
    expect(await project.shadowDatabases()).toEqual([]);
  });

  it('migrate dev drops its shadow database when it is interrupted', async () => {
    await using project = await PrismaProject.create();
    await project.writeMigration(SLOW_MIGRATION, 'SELECT pg_sleep(1);');
    const child = project.spawn(['migrate', 'dev']);
    const ended = once(child, 'close');
    const waiting = { timeout: 30_000, interval: 100 };
    await vi.waitFor(async () => expect(await project.shadowDatabases()).toHaveLength(1), waiting);

    process.kill(-(child.pid ?? Number.NaN), 'SIGINT');

    await ended;
    await vi.waitFor(async () => expect(await project.shadowDatabases()).toEqual([]), waiting);
  });

  it('migrate status fails while a migration is pending', async () => {
    await using project = await PrismaProject.create();

    const { code, output } = await project.run(['migrate', 'status']);

    expect(output).toMatch(/not yet been applied:\s+20260101000000_init/);
    expect(code).toBe(1);
  });

  it('migrate deploy runs a whole script, including semicolons in strings and functions', async () => {
    await using project = await PrismaProject.create();

    const { code } = await project.run(['migrate', 'deploy']);

    expect(code).toBe(0);
    expect(await project.query(`SELECT shout('a')`)).toEqual([['A;']]);
    await project.query(`INSERT INTO "Author" (email) VALUES ('a@example.com')`);
    await expect(
      project.query(`INSERT INTO "Book" (title, "authorId") VALUES (';', 1)`),
    ).rejects.toThrow('violates check constraint "Book_title_check"');
  });

  it('migrate deploy uses the schema that the URL names', async () => {
    await using project = await PrismaProject.create();

    await project.run(['migrate', 'deploy'], { DATABASE_URL: `${project.url}?schema=my%20app` });

    expect(await project.query(TABLES)).toEqual([['Author'], ['Book'], ['_prisma_migrations']]);
    expect(await project.query(`SELECT to_regclass('"my app"."Book"') IS NULL`)).toEqual([[false]]);
  });

  it("migrate deploy records when it ran, regardless of the server's time zone", async () => {
    await using project = await PrismaProject.create();
    const before = Date.now();

    await project.run(['migrate', 'deploy']);

    const [row] = await project.query('SELECT started_at, finished_at FROM _prisma_migrations');
    const [startedAt, finishedAt] = (row ?? []).map(Number);
    expect(startedAt).toBeGreaterThanOrEqual(before);
    expect(finishedAt).toBeLessThanOrEqual(Date.now());
  });

  it('two concurrent runs of migrate deploy apply each migration once', async () => {
    await using project = await PrismaProject.create();
    // The migration is so slow that the runs overlap. Without a lock, both would find it pending.
    await project.writeMigration(SLOW_MIGRATION, 'SELECT pg_sleep(3); CREATE TABLE "Shelf" ();');

    const outcomes = await Promise.all([
      project.run(['migrate', 'deploy']),
      project.run(['migrate', 'deploy']),
    ]);

    expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
    expect(await project.query('SELECT migration_name FROM _prisma_migrations')).toEqual([
      ['20260101000000_init'],
      [SLOW_MIGRATION],
    ]);
  });

  it('migrate deploy reports a broken migration and marks it failed', async () => {
    await using project = await PrismaProject.create();
    await project.writeMigration(
      BROKEN_MIGRATION,
      'CREATE TABLE "Shelf" ();\nCREAT TABLE "Lamp" ();',
    );

    const { code, output } = await project.run(['migrate', 'deploy']);

    expect(output).toContain('syntax error at or near "CREAT"');
    expect(output).toContain(BROKEN_MIGRATION);
    expect(code).toBe(1);
    const failed = 'SELECT migration_name, logs FROM _prisma_migrations WHERE finished_at IS NULL';
    expect(await project.query(failed)).toEqual([
      [BROKEN_MIGRATION, expect.stringContaining('syntax error at or near "CREAT"')],
    ]);
    expect(await project.query(TABLES)).not.toContainEqual(['Shelf']);
  });

  it('migrate reset empties the database and applies the migrations', async () => {
    await using project = await PrismaProject.create();
    await project.query('CREATE TABLE "Left over" ()');

    const { code } = await project.run(['migrate', 'reset', '--force']);

    expect(code).toBe(0);
    expect(await project.query(TABLES)).toEqual([['Author'], ['Book'], ['_prisma_migrations']]);
  });

  it('migrate diff reports a difference between migrations and schema by its exit code', async () => {
    await using project = await PrismaProject.create();
    const difference = ['migrate', 'diff', '--from-migrations', MIGRATIONS];
    difference.push('--to-schema', 'prisma/schema.prisma', '--exit-code');

    const before = await project.run(difference);
    await project.addColumnToSchema();
    const after = await project.run([...difference, '--script', '--output', 'difference.sql']);

    expect(before.output).toContain('No difference detected.');
    expect(before.code).toBe(0);
    expect(await readFile(join(project.folder, 'difference.sql'), 'utf8')).toContain(
      'ALTER TABLE "Book" ADD COLUMN     "pages" INTEGER;',
    );
    expect(after.code).toBe(2);
    expect(await project.shadowDatabases()).toEqual([]);
  });

  it('db push updates the database to the schema without a migration', async () => {
    await using project = await PrismaProject.create();
    await project.addColumnToSchema();

    const { code } = await project.run(['db', 'push']);

    expect(code).toBe(0);
    expect(await project.query(COLUMNS_OF_BOOK)).toContainEqual(['pages']);
    expect(await project.query(TABLES)).toEqual([['Author'], ['Book']]);
  });

  it('db pull updates the schema from the database', async () => {
    await using project = await PrismaProject.create();
    const init = join(project.folder, MIGRATIONS, '20260101000000_init/migration.sql');
    await project.query(await readFile(init, 'utf8'));
    await project.query('ALTER TABLE "Book" ADD COLUMN "shelfMarks" text[] NOT NULL');

    const { code } = await project.run(['db', 'pull']);

    expect(code).toBe(0);
    const schema = await readFile(project.schemaPath, 'utf8');
    expect(schema).toMatch(/^\s+shelfMarks\s+String\[\]$/m);
    expect(schema).toMatch(/^\s+mood\s+Mood\s+@default\(calm\)$/m);
    expect(schema).toMatch(/^\s+author\s+Author\s+@relation\(fields: \[authorId\]/m);
  });

  it('db execute runs a script of several statements', async () => {
    await using project = await PrismaProject.create();
    await writeFile(
      join(project.folder, 'script.sql'),
      `CREATE TABLE "Note" (words text); INSERT INTO "Note" VALUES ('a;b');`,
    );

    const { code } = await project.run(['db', 'execute', '--file', 'script.sql']);

    expect(code).toBe(0);
    expect(await project.query('SELECT words FROM "Note"')).toEqual([['a;b']]);
  });

  it('generate and validate need no database URL', async () => {
    await using project = await PrismaProject.create();

    const generated = await project.run(['generate'], { DATABASE_URL: undefined });
    const validated = await project.run(['validate'], { DATABASE_URL: undefined });

    expect(generated.code).toBe(0);
    expect(await readdir(join(project.folder, 'generated'))).toContain('client.ts');
    expect(validated.output).toContain('is valid');
    expect(validated.code).toBe(0);
  });

  it('reports an unreachable database in one sentence, without its password', async () => {
    await using project = await PrismaProject.create();
    const url = new URL(project.url);
    url.port = '1';

    const { code, output } = await project.run(['migrate', 'deploy'], { DATABASE_URL: url.href });

    expect(output).toContain(`P1001: Can't reach database server at \`${url.host}\``);
    expect(output).not.toContain(project.password);
    expect(code).toBe(1);
  });

  it('reports a missing URL', async () => {
    await using project = await PrismaProject.create();

    const { code, output } = await project.run(
      ['migrate', 'diff', '--from-empty', '--to-schema', 'prisma/schema.prisma'],
      { DATABASE_URL: undefined },
    );

    expect(output).toContain('The database URL is missing or malformed.');
    expect(code).toBe(1);
  });

  it('uses the schema engine that a user configures', async () => {
    await using project = await PrismaProject.create();

    const { code, output } = await project.run(['migrate', 'status'], {
      PRISMA_SCHEMA_ENGINE_BINARY: 'native/schema-engine',
    });

    expect(output).toContain("native/schema-engine can't be resolved");
    expect(code).toBe(1);
  });
});
