import { PrismaPg } from '@prisma/adapter-pg';
import { Client, DatabaseError } from 'pg';
import { schemaOf } from '../../packages/environment/src/database-url.js';
import { inUtc } from '../../src/prisma/utc-session.js';
import { readMigrations } from '../migrations.js';

const CONNECT_TIMEOUT_MS = 5_000;
const UNDEFINED_TABLE = '42P01';

/** @throws Error with one sentence, without the password, if the database can't be used */
export async function checkDatabase(connectionString: string): Promise<void> {
  try {
    await query(connectionString, 'SELECT 1');
  } catch (error) {
    const { hostname, port, pathname } = new URL(connectionString);
    const reason = error instanceof Error && 'code' in error ? error.code : error;
    throw new Error(
      `The database at ${hostname}:${port || 5432}${pathname} can't be reached (${String(reason)}): check DATABASE_URL.`,
      { cause: error },
    );
  }
}

/** Takes milliseconds; `prisma migrate deploy` takes two seconds to find none. */
export async function hasPendingMigrations(connectionString: string): Promise<boolean> {
  const applied = await query(
    connectionString,
    `SELECT migration_name FROM _prisma_migrations
     WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`,
  ).catch((error: unknown) => {
    if (error instanceof DatabaseError && error.code === UNDEFINED_TABLE) return [];
    throw error;
  });
  const names = new Set(applied.map((row) => row.migration_name));
  return (await readMigrations()).some(({ name }) => !names.has(name));
}

export async function hasUsers(connectionString: string): Promise<boolean> {
  return (await query(connectionString, 'SELECT FROM users LIMIT 1')).length > 0;
}

export async function seed(connectionString: string): Promise<void> {
  // Not imported above: a fresh checkout has no generated client before the build.
  const { PrismaClient } = await import('../../src/generated/prisma/client.js');
  const { seedDemoUsers } = await import('../../prisma/seed/demo-users.js');
  const prisma = new PrismaClient({
    adapter: new PrismaPg(
      { connectionString: inUtc(connectionString) },
      { schema: schemaOf(connectionString) },
    ),
  });
  try {
    await seedDemoUsers(prisma);
  } finally {
    await prisma.$disconnect();
  }
}

export async function query(
  connectionString: string,
  sql: string,
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
