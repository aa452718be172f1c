import { Module } from '@nestjs/common';
import { ApiKeysModule } from '../api-keys/api-keys.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { UsageModule } from '../usage/usage.module.js';
import { InternalApiKeysController } from './internal-api-keys.controller.js';

@Module({
  imports: [AuthModule, ApiKeysModule, UsageModule],
  controllers: [InternalApiKeysController],
})
export class InternalApiKeysModule {}
