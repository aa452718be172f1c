import { schemaOf } from '@latchkey/environment/database-url';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { PrismaClient } from '../generated/prisma/client.js';
import { DatabaseGuard } from './database-guard.js';
import { DatabasePool } from './database-pool.js';
import { GuardedPrismaPg } from './guarded-adapter.js';

/** Prisma's client. Connects on first use, so that the process can start without a database. */
@Injectable()
export class PrismaService extends PrismaClient implements OnApplicationShutdown {
  constructor(guard: DatabaseGuard, pool: DatabasePool, config: ConfigService<Environment, true>) {
    const logger = new Logger(PrismaService.name);
    const adapter = new GuardedPrismaPg(guard, pool, {
      // Prisma names the schema in its statements, so the search path does not affect them.
      schema: schemaOf(config.get('DATABASE_URL', { infer: true })),
      onConnectionError: (error) => logger.warn(`Database connection lost: ${error.message}`),
    });
    // The longer error formats quote the arguments, which may be personal data.
    super({ adapter, errorFormat: 'minimal' });
  }

  // Disconnects in this last step of the shutdown, because requests in flight need the client.
  async onApplicationShutdown(): Promise<void> {
    await this.$disconnect();
  }
}
