import { Module } from '@nestjs/common';
import { ApiKeysModule } from '../api-keys/api-keys.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { InternalApiKeysController } from './internal-api-keys.controller.js';

@Module({ imports: [AuthModule, ApiKeysModule], controllers: [InternalApiKeysController] })
export class InternalApiKeysModule {}
