import { AccessTokensModule } from '@latchkey/access-tokens/access-tokens-module';
import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { KeyVerificationModule } from '../api-keys/key-verification.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { UsersModule } from '../users/users.module.js';
import { ApiKeyGuard } from './api-key.guard.js';
import { AuthController } from './auth.controller.js';
import { ClosedByDefaultGuard } from './closed-by-default.guard.js';
import { UserGuard } from './user.guard.js';

@Module({
  imports: [AccessTokensModule, KeyVerificationModule, LimitsModule, UsersModule],
  controllers: [AuthController],
  providers: [ApiKeyGuard, UserGuard, { provide: APP_GUARD, useClass: ClosedByDefaultGuard }],
  // Nest resolves a guard's dependencies in the modules of the controllers that use the guard.
  exports: [ApiKeyGuard, KeyVerificationModule, LimitsModule],
})
export class AuthModule {}
