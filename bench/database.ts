import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { PrismaPg } from '@prisma/adapter-pg';
import { Client } from 'pg';
import { EmbeddedPostgres, temporaryClusterDirectory } from '../scripts/embedded-postgres.js';
import { readMigrations } from '../scripts/migrations.js';
import { UTC_SESSION } from '../src/prisma/utc-session.js';
import { USER_COLUMNS } from './peers/user-response.js';

/** A migrated database. Its users have the ids 1 to `users`. No request uses one of its `keys`. */
export interface Database {
  readonly url: string;
  readonly users: number;
  readonly keys: number;
}

/**
 * The PostgreSQL server of `DATABASE_URL`, or an embedded server. The benchmark changes only
 * databases that it has created, and drops them at the end.
 */
export class DatabaseServer {
  private readonly names: string[] = [];

  private constructor(
    private readonly url: string,
    /** The version and kind of the server. */
    readonly description: string,
    private readonly end: () => Promise<void>,
  ) {}

  static async start(): Promise<DatabaseServer> {
    const given = process.env.DATABASE_URL;
    const { url, end, kind } = given
      ? { url: given, end: async () => undefined, kind: 'of DATABASE_URL' }
      : await startEmbedded();
    const [row] = await query(url, 'SHOW server_version');
    return new DatabaseServer(url, `${String(row?.server_version)} (${kind})`, end);
  }

  async create(users: number, keys: number): Promise<Database> {
    const name = `latchkey_bench_${randomBytes(6).toString('hex')}`;
    await query(this.url, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
    this.names.push(name);
    const url = new URL(this.url);
    url.pathname = `/${name}`;
    for (const { sql } of await readMigrations()) await query(url.href, sql);
    await fill(url.href, users);
    await addKeys(url.href, keys);
    // Otherwise, autovacuum and checkpoints would run during a round.
    await query(url.href, 'VACUUM ANALYZE');
    await query(url.href, 'CHECKPOINT');
    return { url: url.href, users, keys };
  }

  async stop(): Promise<void> {
    for (const name of this.names) await query(this.url, `DROP DATABASE ${name} WITH (FORCE)`);
    await this.end();
  }
}

/** The user that each peer must return, with the fields that all peers return. */
export async function expectedUser(url: string, id: string): Promise<object> {
  const [user] = await query(url, `SELECT ${USER_COLUMNS} FROM users WHERE id = $1`, [id]);
  return JSON.parse(JSON.stringify(user));
}

async function startEmbedded(): Promise<{ url: string; end: () => Promise<void>; kind: string }> {
  const directory = temporaryClusterDirectory();
  const postgres = await EmbeddedPostgres.start({ directory, durable: false });
  const end = async () => {
    await postgres.stop();
    await rm(directory, { recursive: true });
  };
  return { url: postgres.serverUrl, end, kind: 'embedded, fsync off' };
}

async function fill(connectionString: string, users: number): Promise<void> {
  // A dynamic import, because a fresh checkout has no generated client before the build.
  const { PrismaClient } = await import('../src/generated/prisma/client.js');
  const { seedBulkUsers } = await import('../prisma/seed/bulk-users.js');
  const prisma = new PrismaClient({
    adapter: new PrismaPg({ connectionString, options: UTC_SESSION }),
  });
  try {
    await seedBulkUsers(prisma, users);
  } finally {
    await prisma.$disconnect();
  }
}

/** Adds keys. Disables triggers, because they would write an audit event for each key. */
async function addKeys(url: string, keys: number): Promise<void> {
  const withoutTriggers = new URL(url);
  withoutTriggers.searchParams.set('options', '-c session_replication_role=replica');
  await query(
    withoutTriggers.href,
    `INSERT INTO api_keys (id, digest, hint, environment, name, scopes, created_by, expires_at, revision)
     SELECT 'key-' || number, sha256(number::text::bytea), 'lk_live_', 'live', 'bench', '{users:read}', 'bench',
       now() + interval '1 year', nextval('api_keys_revision')
     FROM generate_series(1, $1::int) AS number`,
    [keys],
  );
}

async function query(
  connectionString: string,
  sql: string,
  values?: unknown[],
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
