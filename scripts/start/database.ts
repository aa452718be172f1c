import { readdir } from 'node:fs/promises';
import { PrismaPg } from '@prisma/adapter-pg';
import { Client, DatabaseError } from 'pg';
import { UTC_SESSION } from '../../src/prisma/utc-session.js';

const CONNECT_TIMEOUT_MS = 5_000;
const UNDEFINED_TABLE = '42P01';

/** Throws a sentence, without the password, if the database can't be used. */
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

/** Asked here because Prisma's command takes two seconds to find nothing to do. */
export async function hasPendingMigrations(connectionString: string): Promise<boolean> {
  const folders = await readdir('prisma/migrations', { withFileTypes: true });
  const applied = await findAppliedMigrations(connectionString);
  return folders.some((entry) => entry.isDirectory() && !applied.has(entry.name));
}

async function findAppliedMigrations(connectionString: string): Promise<Set<unknown>> {
  try {
    const rows = await query(
      connectionString,
      `SELECT migration_name FROM _prisma_migrations
       WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`,
    );
    return new Set(rows.map((row) => row.migration_name));
  } catch (error) {
    if (error instanceof DatabaseError && error.code === UNDEFINED_TABLE) return new Set();
    throw error;
  }
}

export async function hasUsers(connectionString: string): Promise<boolean> {
  return (await query(connectionString, 'SELECT FROM users LIMIT 1')).length > 0;
}

export async function seed(connectionString: string): Promise<void> {
  // Not imported above: a fresh checkout has no generated client before the build.
  const { PrismaClient } = await import('../../src/generated/prisma/client.js');
  const { seedDemoUsers } = await import('../../prisma/seed/demo-users.js');
  const prisma = new PrismaClient({
    adapter: new PrismaPg({ connectionString, options: UTC_SESSION }),
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
