import { Module } from '@nestjs/common';
import { KeyVerificationModule } from '../api-keys/key-verification.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { DatabaseHealth } from './database-health.js';
import { HealthController } from './health.controller.js';

@Module({
  imports: [KeyVerificationModule, LimitsModule],
  controllers: [HealthController],
  providers: [DatabaseHealth],
})
export class HealthModule {}
