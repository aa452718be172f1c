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

/** A PostgreSQL server of a test's own, which may be stopped, frozen and started again. */
export class ChaosDatabase {
  private constructor(
    private readonly directory: string,
    private server: EmbeddedPostgres,
  ) {}

  /** With all migrations. */
  static async start(): Promise<ChaosDatabase> {
    const directory = temporaryClusterDirectory();
    const database = new ChaosDatabase(
      directory,
      await EmbeddedPostgres.start({ directory, durable: false }),
    );
    await migrate(database.url);
    return database;
  }

  /** Stays the same over restarts. */
  get url(): string {
    return this.server.url;
  }

  query<Row extends object>(sql: string): Promise<Row[]> {
    return queryOnce(this.url, sql);
  }

  /** From beside the backend's database, whatever its settings are. */
  async administer(sql: string): Promise<void> {
    await queryOnce(this.server.serverUrl, sql);
  }

  /** Connections of the backend's pool. */
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

  /** Immediately, as in a crash. */
  async crash(): Promise<void> {
    process.kill(this.pid, 'SIGQUIT');
    await this.server.stop();
  }

  /** In order, with its clients cut off. */
  async shutDown(): Promise<void> {
    await this.server.stop();
  }

  /** Resolves when it answers, to the time on the clock of `performance`. */
  async startAgain(): Promise<number> {
    const answering = this.answers();
    this.server = await EmbeddedPostgres.start({ directory: this.directory, durable: false });
    return answering;
  }

  /** Resolves to the moment of the first answer, before the start is complete. */
  private async answers(): Promise<number> {
    const { url } = this;
    await until(() =>
      queryOnce(url, 'SELECT').then(
        () => true,
        () => false,
      ),
    );
    return performance.now();
  }

  /**
   * Stops all its processes in the middle of what they do; resolves to a function that lets them go
   * on.
   */
  freeze(): () => number {
    const { pid } = this;
    const all = [pid, ...childrenOf(pid)];
    for (const each of all) process.kill(each, 'SIGSTOP');
    return () => {
      for (const each of all) process.kill(each, 'SIGCONT');
      return performance.now();
    };
  }

  /** Keeps a table locked against everybody; resolves to a function that ends it. */
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

/** Over a connection of its own. */
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

/** Waits for a condition; throws after half a minute. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + UNTIL_TIMEOUT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited in vain: ${String(condition)}`);
    await sleep(10);
  }
}
