import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { createEmptyDatabase } from '../support/database.js';
import { createDividedDatabase, type DividedDatabase } from '../support/run-time-role.js';
import { BACKEND_MAIN, ServerProcess } from '../support/server-process.js';

const INTERNAL_API_KEY = randomBytes(32).toString('hex');
const OUTDATED =
  'The database schema is missing or older than this version: run npx prisma migrate deploy; in production, run ' +
  'node deploy/database/migrate.mjs.';

interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** Runs a script in a minimal environment with these additional variables. */
function run(args: readonly string[], variables: NodeJS.ProcessEnv): Promise<Outcome> {
  const { PATH } = process.env;
  const env = { PATH, CHECKPOINT_DISABLE: '1', ENV_FILES: 'off', INTERNAL_API_KEY, ...variables };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    );
  });
}

async function start(variables: NodeJS.ProcessEnv): Promise<ServerProcess> {
  const server = await ServerProcess.start(BACKEND_MAIN, {
    INTERNAL_API_KEY,
    PORT: '0',
    ...variables,
  });
  onTestFinished(() => server.stop());
  return server;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const migrateFailure = async (ownerUrl: string) => {
  const runTime = new URL(ownerUrl);
  runTime.username = `spare_${randomBytes(4).toString('hex')}`;
  runTime.password = randomBytes(16).toString('hex');
  return run(['deploy/database/migrate.mjs'], {
    DATABASE_URL: ownerUrl,
    RUN_TIME_DATABASE_URL: runTime.href,
  });
};

describe('a database whose schema is missing', () => {
  let database: Awaited<ReturnType<typeof createEmptyDatabase>>;

  beforeAll(async () => {
    database = await createEmptyDatabase();
  });
  afterAll(() => database.drop());

  it('makes the server not ready, and the server logs one sentence without a stack trace', async () => {
    const server = await start({ DATABASE_URL: database.url });
    const ready = await fetch(`${server.origin}/api/health/ready`);
    expect(ready.status).toBe(503);
    await expect.poll(() => server.output).toContain(OUTDATED);
    expect(server.output).not.toMatch(/\s+at .*\.js:\d+/);
  });

  it('makes a command fail, and the command names the same remedy', async () => {
    const listed = await run(['dist/cli.js', 'keys', 'list'], { DATABASE_URL: database.url });
    expect(listed.code).toBe(1);
    expect(listed.output).toMatch(
      /^The database schema is missing or older than this version\.\nRun npx prisma migrate deploy \(in production: .*\n$/,
    );
  });
});

it('a missing column makes the server not ready', async () => {
  const database = await createEmptyDatabase();
  onTestFinished(() => database.drop());
  const deploy = ['node_modules/prisma/build/index.js', 'migrate', 'deploy'];
  expect(await run(deploy, { DATABASE_URL: database.url })).toMatchObject({ code: 0 });
  await query(database.url, 'ALTER TABLE users DROP COLUMN last_login_at');
  const server = await start({ DATABASE_URL: database.url });
  expect((await fetch(`${server.origin}/api/health/ready`)).status).toBe(503);
  await expect.poll(() => server.output).toContain(OUTDATED);
});

describe('a schema that DATABASE_URL names', () => {
  let database: DividedDatabase;
  const inSchema = (url: string) => `${url}?schema=Latchkey%20keys`;

  beforeAll(async () => {
    database = await createDividedDatabase('?schema=Latchkey%20keys');
  });
  afterAll(() => database.drop());

  it('contains the tables of the migrations, unlike the schema public', async () => {
    const tables = await query(
      database.ownerUrl,
      `SELECT table_schema FROM information_schema.tables WHERE table_name = 'users'`,
    );
    expect(tables).toEqual([{ table_schema: 'Latchkey keys' }]);
  });

  it('works with the backend, the seed and the commands', async () => {
    const seeded = await run(['--import', 'tsx', 'prisma/seed.ts'], {
      DATABASE_URL: inSchema(database.ownerUrl),
    });
    expect(seeded).toMatchObject({ code: 0 });
    const DATABASE_URL = inSchema(database.runTimeUrl);
    const create = ['dist/cli.js', 'keys', 'create', '--name', 'k', '--scopes', 'users:read'];
    const created = await run([...create, '--reveal', '--json'], { DATABASE_URL });
    expect(created).toMatchObject({ code: 0 });
    const server = await start({ DATABASE_URL });
    const headers = { 'x-api-key': JSON.parse(created.output).secret };
    for (const path of ['users/12345', 'users?limit=1']) {
      const response = await fetch(`${server.origin}/api/internal/${path}`, { headers });
      expect(response.status).toBe(200);
    }
    expect((await fetch(`${server.origin}/api/health/ready`)).status).toBe(200);
  });
});

describe('node deploy/database/migrate.mjs', () => {
  it.each([
    ['', /^DATABASE_URL or DATABASE_URL_FILE is required\.\n$/],
    ['postgresql://owner:%pw@host/db', /^DATABASE_URL is not a URL: .*percent-encoded\.\n$/],
  ])('explains in one sentence why DATABASE_URL=%s is invalid', async (DATABASE_URL, sentence) => {
    const { code, output } = await run(['deploy/database/migrate.mjs'], { DATABASE_URL });
    expect(code).toBe(1);
    expect(output).toMatch(sentence);
  });
});

describe('an installation with an owner and a run-time role', () => {
  const WARNING = "uses the account of the tables' owner";
  let database: DividedDatabase;
  const production = (DATABASE_URL: string) => start({ DATABASE_URL, NODE_ENV: 'production' });

  beforeAll(async () => {
    database = await createDividedDatabase();
  });
  afterAll(() => database.drop());

  it('logs a warning if the server runs as the owner of the database', async () => {
    const server = await production(database.ownerUrl);
    await expect.poll(() => server.output).toContain(WARNING);
  });

  it('logs no warning if the server uses the run-time role', async () => {
    const server = await production(database.runTimeUrl);
    expect((await fetch(`${server.origin}/api/health/ready`)).status).toBe(200);
    expect(server.output).not.toContain(WARNING);
  });

  it('logs a warning about a misspelt variable, with a suggestion but without the value', async () => {
    const server = await start({ DATABASE_URL: database.runTimeUrl, TRUSTED_PROXY: '10.0.0.7' });
    expect(server.output).toContain(
      'TRUSTED_PROXY is not a variable of Latchkey: did you mean TRUSTED_PROXIES?',
    );
    expect(server.output).not.toContain('10.0.0.7');
  });

  it('makes migrate.mjs explain a missing CREATEROLE in one sentence', async () => {
    const { username } = new URL(database.ownerUrl);
    await query(inject('databaseServerUrl'), `ALTER ROLE ${username} NOCREATEROLE`);
    const { code, output } = await migrateFailure(database.ownerUrl);
    expect(code).toBe(1);
    expect(output).toMatch(
      /may not create or change roles .*: let a superuser run ALTER ROLE … CREATEROLE\.\n$/,
    );
    expect(output).not.toContain('    at ');
  });
});
