import { type DynamicModule, Module } from '@nestjs/common';
import type { BackendEnvironment } from '../config/environment.js';
import { BackendClient } from './backend-client.js';
import { BackendHealth } from './backend-health.js';

@Module({ providers: [BackendHealth], exports: [BackendHealth] })
export class BackendModule {
  static forEnvironment(environment: BackendEnvironment): DynamicModule {
    return {
      module: BackendModule,
      // Its settings come in here, once; the tools' modules import no module with settings.
      global: true,
      providers: [{ provide: BackendClient, useFactory: () => BackendClient.create(environment) }],
      exports: [BackendClient],
    };
  }
}
