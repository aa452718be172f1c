import { Socket } from 'node:net';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Client, Pool, type PoolClient } from 'pg';
import type { Environment } from '../config/environment.js';
import { inUtc } from './utc-session.js';

// The defaults wait for ever: for a connection of the pool, and for an answer. Together they stay below the 1.5 s that the
// MCP server waits for a request.
const CONNECTION_TIMEOUT_MS = 700;
const STATEMENT_TIMEOUT_MS = 600;
const SILENCE_LIMIT_MS = 700;

/** The connections that all queries share. Ours and not Prisma's own, so that it can be looked into. */
@Injectable()
export class DatabasePool extends Pool implements OnApplicationShutdown {
  private readonly isLent = new Map<PoolClient, boolean>();

  constructor(config: ConfigService<Environment, true>) {
    super({
      connectionString: inUtc(config.get('DATABASE_URL', { infer: true })),
      max: config.get('DATABASE_POOL_MAX', { infer: true }),
      connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      application_name: 'latchkey',
    });
    const logger = new Logger(DatabasePool.name);
    // Without a listener, an idle connection that breaks would end the process.
    this.on('error', (error) => logger.warn(`An idle database connection broke: ${error.message}`));
    this.on('connect', (client) => {
      this.limitSilence(client);
      // The pool listens only while it is idle, and who borrows it only in the next microtask: an error between the two would end the
      // process. The statement tells what is wrong.
      client.on('error', () => undefined);
    });
    this.on('acquire', (client) => this.isLent.set(client, true));
    this.on('release', (_error, client) => this.isLent.set(client, false));
    this.on('remove', (client) => this.isLent.delete(client));
  }

  // Not before: until then requests in flight still need it.
  async onApplicationShutdown(): Promise<void> {
    await this.end();
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
