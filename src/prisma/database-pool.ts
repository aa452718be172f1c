import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Pool } from 'pg';
import type { Environment } from '../config/environment.js';
import { UTC_SESSION } from './utc-session.js';

// The defaults wait for ever: for a connection of the pool, and for an answer. Together they stay below the 1.5 s that the
// MCP server waits for a request.
const CONNECTION_TIMEOUT_MS = 700;
const STATEMENT_TIMEOUT_MS = 600;
const QUERY_TIMEOUT_MS = 700;

/** The connections that all queries share. Ours and not Prisma's own, so that it can be looked into. */
@Injectable()
export class DatabasePool extends Pool implements OnApplicationShutdown {
  constructor(config: ConfigService<Environment, true>) {
    super({
      connectionString: config.get('DATABASE_URL', { infer: true }),
      max: config.get('DATABASE_POOL_MAX', { infer: true }),
      connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
      // PostgreSQL ends the statement itself; the client's own limit is for a server that no longer answers.
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      application_name: 'latchkey',
      options: UTC_SESSION,
    });
    const logger = new Logger(DatabasePool.name);
    // Without a listener, an idle connection that breaks would end the process.
    this.on('error', (error) => logger.warn(`An idle database connection broke: ${error.message}`));
  }

  // Not before: until then requests in flight still need it.
  async onApplicationShutdown(): Promise<void> {
    await this.end();
  }
}
