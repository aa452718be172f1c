import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import type { ProvidedContext } from 'vitest';
import type { TestProject } from 'vitest/node';
import { EmbeddedPostgres, temporaryClusterDirectory } from '../../scripts/embedded-postgres.js';
import { readMigrations } from '../../scripts/migrations.js';
import { runStatements } from './run-statements.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The URL of a database on the test server, with an account that can create databases. */
    databaseServerUrl: string;
    /**
     * The name of the migrated, empty template of every test database. The names of all test
     * databases begin with this name.
     */
    templateDatabase: string;
    /**
     * The account of the running backend, with the rights of `deploy/database/roles.sql` in each
     * database.
     */
    runTimeAccount: { name: string; password: string };
  }
}

/** Provides one PostgreSQL server for a test run: the server in DATABASE_URL or an embedded one. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const server = await findServer();
  const templateDatabase = `latchkey_test_${randomBytes(6).toString('hex')}`;
  const runTimeAccount = {
    name: `${templateDatabase}_run_time`,
    password: randomBytes(16).toString('hex'),
  };
  try {
    await createTemplate(server.url, templateDatabase, runTimeAccount);
  } catch (error) {
    await server.stop();
    throw error;
  }
  project.provide('databaseServerUrl', server.url);
  project.provide('templateDatabase', templateDatabase);
  project.provide('runTimeAccount', runTimeAccount);
  return async () => {
    await dropDatabases(server.url, templateDatabase);
    await runStatements(server.url, [`DROP ROLE ${runTimeAccount.name}`]);
    await server.stop();
  };
}

async function findServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const url = process.env.DATABASE_URL;
  if (url) return { url, stop: async () => undefined };
  const directory = temporaryClusterDirectory();
  const postgres = await EmbeddedPostgres.start({ directory, durable: false });
  return {
    url: postgres.serverUrl,
    stop: async () => {
      await postgres.stop();
      await rm(directory, { recursive: true });
    },
  };
}

async function createTemplate(
  serverUrl: string,
  name: string,
  account: ProvidedContext['runTimeAccount'],
): Promise<void> {
  // With template0, the encoding of the server does not matter.
  await runStatements(serverUrl, [`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`]);
  await runStatements(databaseUrl(serverUrl, name), [
    ...(await readMigrations()).map(({ sql }) => sql),
    await readRoles(account.name),
    `ALTER ROLE ${account.name} LOGIN PASSWORD ${escapeLiteral(account.password)}`,
  ]);
  // CREATE DATABASE … TEMPLATE fails while a client is connected to the template.
  await runStatements(serverUrl, [`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`]);
}

/** Renames the role, because other databases of the server may use the role `latchkey_run_time`. */
async function readRoles(name: string): Promise<string> {
  const file = new URL('../../deploy/database/roles.sql', import.meta.url);
  return (await readFile(file, 'utf8')).replaceAll('latchkey_run_time', name);
}

async function dropDatabases(serverUrl: string, prefix: string): Promise<void> {
  const client = new Client({ connectionString: serverUrl });
  await client.connect();
  const { rows } = await client.query<{ datname: string }>(
    `SELECT datname FROM pg_database WHERE starts_with(datname, ${escapeLiteral(prefix)})`,
  );
  for (const { datname } of rows) {
    await client.query(`DROP DATABASE ${escapeIdentifier(datname)} WITH (FORCE)`);
  }
  await client.end();
}

function databaseUrl(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}
