import { Global, Module } from '@nestjs/common';
import { DatabaseGate } from './database-gate.js';
import { DatabasePool } from './database-pool.js';
import { PrismaService } from './prisma.service.js';

@Global()
@Module({
  providers: [DatabaseGate, DatabasePool, PrismaService],
  exports: [DatabaseGate, DatabasePool, PrismaService],
})
export class PrismaModule {}
