import { Global, Module } from '@nestjs/common';
import { DatabaseGuard } from './database-guard.js';
import { DatabasePool } from './database-pool.js';
import { DatabaseUrls } from './database-urls.js';
import { PrismaService } from './prisma.service.js';

@Global()
@Module({
  providers: [DatabaseGuard, DatabasePool, DatabaseUrls, PrismaService],
  exports: [DatabaseGuard, DatabasePool, DatabaseUrls, PrismaService],
})
export class PrismaModule {}
