import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { Client, escapeIdentifier } from 'pg';
import { inject } from 'vitest';
import { runStatements } from './run-statements.js';

// Does not fail if another database of the server uses the role.
const DROP_UNUSED_ROLE = `
  DO $$ BEGIN
    DROP ROLE latchkey_run_time;
  EXCEPTION WHEN dependent_objects_still_exist THEN NULL;
  END $$`;

/** A database with two accounts, created and migrated like the database of an installation. */
export interface DividedDatabase {
  /** The URL with the account that owns the tables, runs migrations and is not a superuser. */
  ownerUrl: string;
  /** The URL with the account of the running backend. */
  runTimeUrl: string;
  drop(): Promise<void>;
}

export async function createDividedDatabase(parameters = ''): Promise<DividedDatabase> {
  const name = `latchkey_test_${randomBytes(6).toString('hex')}`;
  const accounts = { owner: `${name}_owner`, runTime: `${name}_run_time` };
  const ownerUrl = urlOf(name, accounts.owner);
  const runTimeUrl = urlOf(name, accounts.runTime);
  await runOnServer(
    `CREATE ROLE ${accounts.owner} LOGIN CREATEROLE PASSWORD '${new URL(ownerUrl).password}'`,
    `CREATE DATABASE ${name} OWNER ${accounts.owner} TEMPLATE template0 ENCODING 'UTF8'`,
  );
  await migrate(ownerUrl + parameters, runTimeUrl + parameters);
  const drop = () =>
    runOnServer(
      `DROP DATABASE ${name} WITH (FORCE)`,
      `DROP ROLE ${accounts.runTime}`,
      `DROP ROLE ${accounts.owner}`,
      DROP_UNUSED_ROLE,
    );
  return { ownerUrl, runTimeUrl, drop };
}

/** Runs the migration of the container `migrate` and returns its warnings. */
export async function migrate(
  ownerUrl: string,
  runTimeUrl: string,
  variables: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { stderr } = await promisify(execFile)(process.execPath, ['deploy/database/migrate.mjs'], {
    env: {
      PATH: process.env.PATH,
      CHECKPOINT_DISABLE: '1',
      DATABASE_URL: ownerUrl,
      RUN_TIME_DATABASE_URL: runTimeUrl,
      ...variables,
    },
  });
  return stderr;
}

/** Runs statements in a transaction, and rolls it back. Returns `done` or the error code. */
export async function outcomeOf(url: string, ...statements: string[]): Promise<string> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('BEGIN');
    for (const statement of statements) await client.query(statement);
    return 'done';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  } finally {
    await client.query('ROLLBACK');
    await client.end();
  }
}

export function accountOf(url: string): string {
  return escapeIdentifier(new URL(url).username);
}

function urlOf(database: string, account: string): string {
  const url = new URL(inject('databaseServerUrl'));
  url.pathname = `/${database}`;
  url.username = account;
  url.password = randomBytes(16).toString('hex');
  return url.href;
}

export function runOnServer(...statements: string[]): Promise<void> {
  return runStatements(inject('databaseServerUrl'), statements);
}
