import { Global, Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { BackendClient } from './backend-client.js';
import { BackendHealth } from './backend-health.js';

/** Provides the one client of the backend, and the backend's health. */
@Global()
@Module({
  providers: [
    BackendHealth,
    {
      provide: BackendClient,
      inject: [ConfigService],
      useFactory: (config: ConfigService<Environment, true>) =>
        BackendClient.create(config.get('backend', { infer: true })),
    },
  ],
  exports: [BackendHealth, BackendClient],
})
export class BackendModule {}
