import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../generated/prisma/client.js';
import { DatabasePool } from './database-pool.js';

/**
 * The database. It connects when it is first asked, and again by itself after the database was away, so the process
 * starts and stays up without one.
 */
@Injectable()
export class PrismaService extends PrismaClient implements OnApplicationShutdown {
  constructor(pool: DatabasePool) {
    const logger = new Logger(PrismaService.name);
    const adapter = new PrismaPg(pool, {
      disposeExternalPool: true,
      onPoolError: (error) => logger.warn(`An idle database connection broke: ${error.message}`),
      onConnectionError: (error) => logger.warn(`A database connection broke: ${error.message}`),
    });
    // Minimal: the longer formats quote the arguments, which are personal data.
    super({ adapter, errorFormat: 'minimal' });
  }

  // Not before: until then requests in flight still need it.
  async onApplicationShutdown(): Promise<void> {
    await this.$disconnect();
  }
}
