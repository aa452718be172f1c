import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';

export interface TestDatabase {
  /** The URL with the account of the owner, to prepare and read rows. */
  url: string;
  /** The URL with the account of the backend. */
  runTimeUrl: string;
  /** Closes the remaining connections and drops the database. */
  drop(): Promise<void>;
}

/** Creates a migrated, empty database for a test file. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const template = inject('templateDatabase');
  const name = `${template}_${randomBytes(6).toString('hex')}`;
  await runOnServer(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = new URL(inject('databaseServerUrl'));
  url.pathname = `/${name}`;
  const runTimeUrl = new URL(url);
  const account = inject('runTimeAccount');
  runTimeUrl.username = account.name;
  runTimeUrl.password = account.password;
  return {
    url: url.href,
    runTimeUrl: runTimeUrl.href,
    drop: () => runOnServer(`DROP DATABASE ${name} WITH (FORCE)`),
  };
}

/** Creates a database without tables. */
export async function createEmptyDatabase(): Promise<Pick<TestDatabase, 'url' | 'drop'>> {
  const name = `${inject('templateDatabase')}_${randomBytes(6).toString('hex')}`;
  await runOnServer(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
  const url = new URL(inject('databaseServerUrl'));
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => runOnServer(`DROP DATABASE ${name} WITH (FORCE)`) };
}

async function runOnServer(statement: string): Promise<void> {
  const client = new Client({ connectionString: inject('databaseServerUrl') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
