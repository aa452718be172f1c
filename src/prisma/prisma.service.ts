import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaClient } from '../generated/prisma/client.js';
import { DatabaseGate } from './database-gate.js';
import { DatabasePool } from './database-pool.js';
import { GatedPrismaPg } from './gated-adapter.js';

/**
 * The database. It connects when it is first asked, and again by itself after the database was away, so the process
 * starts and stays up without one.
 */
@Injectable()
export class PrismaService extends PrismaClient implements OnApplicationShutdown {
  constructor(gate: DatabaseGate, pool: DatabasePool) {
    const logger = new Logger(PrismaService.name);
    const adapter = new GatedPrismaPg(gate, pool, {
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
