import { Socket } from 'node:net';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Client, Pool, type PoolClient, type QueryArrayConfig } from 'pg';
import type { Environment } from '../config/environment.js';
import { DatabaseClient, setLocally } from './database-client.js';
import { hasStalePlan } from './database-error.js';
import { DatabaseGuard, type Statement } from './database-guard.js';
import { DatabaseUrls } from './database-urls.js';

// pg has no time-outs by default. Connecting and one statement must together take less than the
// time-out of the MCP server, 1.5 s.
const CONNECTION_TIMEOUT_MS = 700;
const STATEMENT_TIMEOUT_MS = 600;
const SOCKET_TIMEOUT_MS = 700;

// UTC, because adapter-pg 7.10 writes times without an offset and reads every offset as UTC. ISO,
// because `src/users` parses dates in this style.
const SETTINGS = {
  statement_timeout: String(STATEMENT_TIMEOUT_MS),
  TimeZone: 'UTC',
  DateStyle: 'ISO',
};
/** Applies the settings to one transaction. Behind a pooler, they must not affect later ones. */
export const SET_UP_TRANSACTION = setLocally(SETTINGS);

/** The connection pool of all queries. Prisma uses it, too, instead of a hidden pool of its own. */
@Injectable()
export class DatabasePool extends Pool implements OnApplicationShutdown {
  private readonly inUse = new WeakSet<PoolClient>();
  /** Whether the newest connection keeps its named statements and settings after a transaction. */
  hasOwnSessions = false;

  constructor(
    private readonly guard: DatabaseGuard,
    urls: DatabaseUrls,
    config: ConfigService<Environment, true>,
  ) {
    super({
      // Connects with the current URL, whose password may have been rotated.
      Client: class extends DatabaseClient {
        constructor() {
          super(urls, 'DATABASE_URL', { application_name: 'latchkey' }, SETTINGS);
        }
      },
      max: config.get('DATABASE_POOL_MAX', { infer: true }),
      connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
    });
    const logger = new Logger(DatabasePool.name);
    // Without a listener, a broken idle connection would end the process.
    this.on('error', (error) => logger.warn(`Idle database connection lost: ${error.message}`));
    this.on('connect', (client) => {
      this.closeIfUnresponsive(client);
      this.hasOwnSessions = client instanceof DatabaseClient && client.hasOwnSession;
    });
    this.on('acquire', (client) => this.inUse.add(client));
    this.on('release', (_error, client) => this.inUse.delete(client));
  }

  // Closes the pool in this last step of the shutdown, because requests in flight need the pool.
  async onApplicationShutdown(): Promise<void> {
    await this.end();
  }

  /**
   * Runs a query in its own transaction, under the control of the guard. Behind a pooler, ignores
   * `query.name`.
   */
  fetchRows<Row extends unknown[]>(
    statement: Statement,
    query: Omit<QueryArrayConfig<unknown[]>, 'rowMode'>,
  ): Promise<Row[]> {
    return this.guard.run(statement, () => this.fetch<Row>({ ...query, rowMode: 'array' }));
  }

  private async fetch<Row extends unknown[]>(query: QueryArrayConfig<unknown[]>): Promise<Row[]> {
    if (!this.hasOwnSessions) return this.fetchInTransaction(query);
    try {
      return (await this.query<Row>(query)).rows;
    } catch (error) {
      // Retries without the name, because the plan of the next connection may be stale, too.
      if (query.name === undefined || !hasStalePlan(error)) throw error;
      return (await this.query<Row>({ ...query, name: undefined })).rows;
    }
  }

  private async fetchInTransaction<Row extends unknown[]>(
    query: QueryArrayConfig<unknown[]>,
  ): Promise<Row[]> {
    const client = await this.connect();
    try {
      await client.query(`BEGIN; ${SET_UP_TRANSACTION}`);
      const { rows } = await client.query<Row>({ ...query, name: undefined });
      await client.query('COMMIT');
      client.release();
      return rows;
    } catch (error) {
      client.release(
        await client.query('ROLLBACK').then(
          () => false,
          () => true,
        ),
      );
      throw error;
    }
  }

  /**
   * Closes a connection whose server does not respond. PostgreSQL itself ends slow statements.
   * Uses a socket time-out, because the timers of pg's `query_timeout` keep results alive until a
   * major GC.
   */
  private closeIfUnresponsive(client: PoolClient): void {
    if (!(client instanceof Client)) return;
    const { stream } = client.connection;
    if (!(stream instanceof Socket)) return;
    stream.setTimeout(SOCKET_TIMEOUT_MS);
    // A listener that is passed to `setTimeout` is called only once.
    stream.on('timeout', () => {
      if (this.inUse.has(client)) stream.destroy(new Error('Query read timeout'));
    });
  }
}
