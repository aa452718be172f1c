import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PrismaPg } from '@prisma/adapter-pg';
import type { Environment } from '../config/environment.js';
import { PrismaClient } from '../generated/prisma/client.js';
import { UTC_SESSION } from './utc-session.js';

// The defaults wait for ever: for a connection of the pool, and for an answer.
const CONNECTION_TIMEOUT_MS = 1000;
const QUERY_TIMEOUT_MS = 1000;

/**
 * The database. It connects when it is first asked, and again by itself after the database was away, so the process
 * starts and stays up without one.
 */
@Injectable()
export class PrismaService extends PrismaClient implements OnApplicationShutdown {
  constructor(config: ConfigService<Environment, true>) {
    const logger = new Logger(PrismaService.name);
    const adapter = new PrismaPg(
      {
        connectionString: config.get('DATABASE_URL', { infer: true }),
        max: config.get('DATABASE_POOL_MAX', { infer: true }),
        connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
        // PostgreSQL ends the statement itself; the client's own limit is for a server that no longer answers.
        statement_timeout: QUERY_TIMEOUT_MS,
        query_timeout: QUERY_TIMEOUT_MS * 1.5,
        application_name: 'latchkey',
        options: UTC_SESSION,
      },
      {
        onPoolError: (error) => logger.warn(`An idle database connection broke: ${error.message}`),
        onConnectionError: (error) => logger.warn(`A database connection broke: ${error.message}`),
      },
    );
    // Minimal: the longer formats quote the arguments, which are personal data.
    super({ adapter, errorFormat: 'minimal' });
  }

  // Not before: until then requests in flight still need it.
  async onApplicationShutdown(): Promise<void> {
    await this.$disconnect();
  }
}
