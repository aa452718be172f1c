import { schemaOf } from '@latchkey/environment/database-url';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { PrismaClient } from '../generated/prisma/client.js';
import { DatabaseGuard } from './database-guard.js';
import { DatabasePool } from './database-pool.js';
import { GuardedPrismaPg } from './guarded-adapter.js';

/** The database. It connects on first use and reconnects, so the process runs without one. */
@Injectable()
export class PrismaService extends PrismaClient implements OnApplicationShutdown {
  constructor(guard: DatabaseGuard, pool: DatabasePool, config: ConfigService<Environment, true>) {
    const logger = new Logger(PrismaService.name);
    const adapter = new GuardedPrismaPg(guard, pool, {
      // Prisma names the schema in its statements, whatever the search path is.
      schema: schemaOf(config.get('DATABASE_URL', { infer: true })),
      onConnectionError: (error) => logger.warn(`Database connection lost: ${error.message}`),
    });
    // Minimal: the longer formats quote the arguments, which are personal data.
    super({ adapter, errorFormat: 'minimal' });
  }

  // Not earlier, because requests in flight need it.
  async onApplicationShutdown(): Promise<void> {
    await this.$disconnect();
  }
}
