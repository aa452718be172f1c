import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { EmbeddedPostgres, temporaryClusterDirectory } from '../../../scripts/embedded-postgres.js';

const PRISMA = fileURLToPath(
  new URL('../../../node_modules/prisma/build/index.js', import.meta.url),
);
const UNTIL_TIMEOUT_MS = 30_000;
const run = promisify(execFile);

/** Runs `prisma migrate deploy`. */
export async function migrate(url: string): Promise<void> {
  await run(process.execPath, [PRISMA, 'migrate', 'deploy'], {
    env: { ...process.env, DATABASE_URL: url, DATABASE_URL_FILE: '' },
  });
}

/** A PostgreSQL server that a test can stop, freeze and restart. */
export class ChaosDatabase {
  private constructor(
    private readonly directory: string,
    private server: EmbeddedPostgres,
  ) {}

  /** Starts a server and applies all migrations. */
  static async start(): Promise<ChaosDatabase> {
    const directory = temporaryClusterDirectory();
    const database = new ChaosDatabase(
      directory,
      await EmbeddedPostgres.start({ directory, durable: false }),
    );
    await migrate(database.url);
    return database;
  }

  /** The URL, which a restart does not change. */
  get url(): string {
    return this.server.url;
  }

  query<Row extends object>(sql: string): Promise<Row[]> {
    return queryOnce(this.url, sql);
  }

  /** Runs a statement in the database `postgres`, which keeps its default settings. */
  async administer(sql: string): Promise<void> {
    await queryOnce(this.server.serverUrl, sql);
  }

  /** Returns the number of connections in the backend's pool. */
  async connections(): Promise<number> {
    const [row] = await this.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'latchkey'`,
    );
    return row?.count ?? 0;
  }

  /** Breaks the backend's connections, as a restart does. */
  async breakConnections(): Promise<void> {
    await this.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey'`,
    );
  }

  /** Ends the server immediately, like a crash. */
  async crash(): Promise<void> {
    process.kill(this.pid, 'SIGQUIT');
    await this.server.stop();
  }

  /** Shuts the server down and disconnects its clients. */
  async shutDown(): Promise<void> {
    await this.server.stop();
  }

  /** Starts the server again. Resolves to the time of its first response (`performance.now()`). */
  async restart(): Promise<number> {
    const respondingAt = this.firstResponse();
    this.server = await EmbeddedPostgres.start({ directory: this.directory, durable: false });
    return respondingAt;
  }

  /** Resolves to the time of the first response. `EmbeddedPostgres.start` resolves only later. */
  private async firstResponse(): Promise<number> {
    const { url } = this;
    await until(() =>
      queryOnce(url, 'SELECT').then(
        () => true,
        () => false,
      ),
    );
    return performance.now();
  }

  /** Suspends all processes of the server. Returns a function that resumes them. */
  freeze(): () => number {
    const { pid } = this;
    const all = [pid, ...childrenOf(pid)];
    for (const each of all) process.kill(each, 'SIGSTOP');
    return () => {
      for (const each of all) process.kill(each, 'SIGCONT');
      return performance.now();
    };
  }

  /** Locks a table exclusively. Resolves to a function that releases the lock. */
  async lock(table: string): Promise<() => Promise<number>> {
    const client = new Client({ connectionString: this.url });
    await client.connect();
    await client.query('BEGIN');
    await client.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    return async () => {
      await client.query('ROLLBACK');
      const freedAt = performance.now();
      await client.end();
      return freedAt;
    };
  }

  async remove(): Promise<void> {
    await this.server.stop();
    await rm(this.directory, { recursive: true });
  }

  private get pid(): number {
    return parseInt(readFileSync(join(this.directory, 'data', 'postmaster.pid'), 'utf8'), 10);
  }
}

/** Runs a statement over a new connection. */
export async function queryOnce<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => parentOf(child) === pid);
}

function parentOf(pid: number): number | undefined {
  try {
    const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
    return Number(rest.split(' ')[1]);
  } catch {
    return undefined;
  }
}

/** Waits until a condition is true. @throws Error after 30 s. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + UNTIL_TIMEOUT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Timed out: ${String(condition)}`);
    await sleep(10);
  }
}
