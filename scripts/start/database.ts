import { Client, DatabaseError } from 'pg';
import { readMigrations } from '../migrations.js';
import { runNode, step } from './step.js';

const CONNECT_TIMEOUT_MS = 5_000;
const UNDEFINED_TABLE = '42P01';

/** Applies pending migrations. Outside production, also adds demo users to an empty database. */
export async function prepareDatabase(
  variables: NodeJS.ProcessEnv,
  databaseUrl: string,
): Promise<void> {
  if (await hasPendingMigrations(databaseUrl)) {
    const migrate = ['node_modules/prisma/build/index.js', 'migrate', 'deploy'];
    await step('Migrate the database', () => runNode(migrate, variables));
  }
  if (variables.NODE_ENV === 'production') return;
  if ((await query(databaseUrl, 'SELECT FROM users LIMIT 1')).length > 0) return;
  await step('Add demo users', () => runNode(['--import', 'tsx', 'prisma/seed.ts'], variables));
}

/** Whether a migration is pending. `prisma migrate deploy` would need two seconds to find out. */
async function hasPendingMigrations(databaseUrl: string): Promise<boolean> {
  const applied = await query(
    databaseUrl,
    `SELECT migration_name FROM _prisma_migrations
     WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`,
  ).catch((error: unknown) => {
    if (error instanceof DatabaseError && error.code === UNDEFINED_TABLE) return [];
    throw error;
  });
  const names = new Set(applied.map((row) => row.migration_name));
  return (await readMigrations()).some(({ name }) => !names.has(name));
}

export async function query(
  databaseUrl: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = await connect(databaseUrl);
  try {
    return (await client.query<Record<string, unknown>>(sql, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** @throws Error with one sentence that does not contain the password, if connecting fails */
async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  try {
    await client.connect();
    return client;
  } catch (cause) {
    const { hostname, port, pathname } = new URL(connectionString);
    const reason = cause instanceof Error && 'code' in cause ? cause.code : cause;
    throw new Error(
      `The database at ${hostname}:${port || 5432}${pathname} can't be reached (${String(reason)}): check DATABASE_URL.`,
      { cause },
    );
  }
}
