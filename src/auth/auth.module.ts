import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ApiKeysModule } from '../api-keys/api-keys.module.js';
import { ApiKeyGuard } from './api-key.guard.js';
import { ClosedByDefaultGuard } from './closed-by-default.guard.js';

@Module({
  imports: [ApiKeysModule],
  providers: [ApiKeyGuard, { provide: APP_GUARD, useClass: ClosedByDefaultGuard }],
  // A guard is made in the module of its controller, so that module needs the ring as well.
  exports: [ApiKeyGuard, ApiKeysModule],
})
export class AuthModule {}
