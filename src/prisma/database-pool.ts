import { Socket } from 'node:net';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Client, Pool, type PoolClient, type QueryArrayConfig } from 'pg';
import type { Environment } from '../config/environment.js';
import { DatabaseClient, setLocally } from './database-client.js';
import { hasStalePlan } from './database-error.js';
import { DatabaseUrls } from './database-urls.js';

// The defaults wait for ever: for a connection of the pool, and for an answer. Together they stay below the 1.5 s that the
// MCP server waits for a request.
const CONNECTION_TIMEOUT_MS = 700;
const STATEMENT_TIMEOUT_MS = 600;
const SILENCE_LIMIT_MS = 700;

// adapter-pg 7.10 writes times without an offset and reads every offset as UTC. `src/users` reads dates of the ISO style.
const SETTINGS = {
  statement_timeout: String(STATEMENT_TIMEOUT_MS),
  TimeZone: 'UTC',
  DateStyle: 'ISO',
};
/** The first statement of every transaction behind a pooler, whose sessions keep no settings. */
export const SET_UP_TRANSACTION = setLocally(SETTINGS);

/** The connections that all queries share. Ours and not Prisma's own, so that it can be looked into. */
@Injectable()
export class DatabasePool extends Pool implements OnApplicationShutdown {
  private readonly isLent = new Map<PoolClient, boolean>();
  /** Whether named statements and settings last from one transaction to the next, as the latest connection showed. */
  hasOwnSessions = false;

  constructor(urls: DatabaseUrls, config: ConfigService<Environment, true>) {
    super({
      // Made with the URL that is good then, and not when the process started.
      Client: class extends DatabaseClient {
        constructor() {
          super(urls, 'DATABASE_URL', { application_name: 'latchkey' }, SETTINGS);
        }
      },
      max: config.get('DATABASE_POOL_MAX', { infer: true }),
      connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
    });
    const logger = new Logger(DatabasePool.name);
    // Without a listener, an idle connection that breaks would end the process.
    this.on('error', (error) => logger.warn(`An idle database connection broke: ${error.message}`));
    this.on('connect', (client) => {
      this.limitSilence(client);
      this.hasOwnSessions = client instanceof DatabaseClient && client.hasOwnSession;
    });
    this.on('acquire', (client) => this.isLent.set(client, true));
    this.on('release', (_error, client) => this.isLent.set(client, false));
    this.on('remove', (client) => this.isLent.delete(client));
  }

  // Not before: until then requests in flight still need it.
  async onApplicationShutdown(): Promise<void> {
    await this.end();
  }

  /** Carries out a statement that is a transaction of its own. Its name is used where sessions keep it. */
  async fetchRows<Row extends unknown[]>(query: QueryArrayConfig<unknown[]>): Promise<Row[]> {
    if (!this.hasOwnSessions) return this.fetchInTransaction(query);
    try {
      return (await this.query<Row>(query)).rows;
    } catch (error) {
      // Other connections may have stale plans, too.
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
   * PostgreSQL ends a statement that takes too long; this is for a server that no longer answers at all. Not `query_timeout`: its timer
   * for each statement keeps what was read alive until the next big collection, which takes a tenth of all time.
   */
  private limitSilence(client: PoolClient): void {
    if (!(client instanceof Client)) return;
    const { stream } = client.connection;
    if (!(stream instanceof Socket)) return;
    stream.setTimeout(SILENCE_LIMIT_MS);
    // Not as an argument of setTimeout, which would call it only for the first silence.
    stream.on('timeout', () => {
      if (this.isLent.get(client) === true) stream.destroy(new Error('Query read timeout'));
    });
  }
}
