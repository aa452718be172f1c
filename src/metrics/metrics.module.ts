import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { createRegistry } from '@latchkey/metrics/process-metrics';
import { type DynamicModule, Module } from '@nestjs/common';
import { Registry } from 'prom-client';
import { AlertsModule } from '../alerts/alerts.module.js';
import { KeyVerificationModule } from '../api-keys/key-verification.module.js';
import type { Environment } from '../config/environment.js';
import { LimitsModule } from '../limits/limits.module.js';
import { UsersModule } from '../users/users.module.js';
import { AlertMetrics } from './alert-metrics.js';
import { DatabasePoolMetrics } from './database-pool-metrics.js';
import { KeyMetrics } from './key-metrics.js';
import { LoadMetrics } from './load-metrics.js';
import { LookupMetrics } from './lookup-metrics.js';
import { RequestMetrics } from './request-metrics.js';

/** What Prometheus can scrape, if METRICS_PORT is set; without it nothing is counted. */
@Module({})
export class MetricsModule {
  static forEnvironment({ METRICS_HOST: host, METRICS_PORT: port }: Environment): DynamicModule {
    if (port === undefined) return { module: MetricsModule };
    const endpoint = (registry: Registry) =>
      new MetricsEndpoint(registry, { host, port, variable: 'METRICS_PORT' });
    return {
      module: MetricsModule,
      imports: [AlertsModule, KeyVerificationModule, LimitsModule, UsersModule],
      providers: [
        { provide: Registry, useFactory: createRegistry },
        { provide: MetricsEndpoint, useFactory: endpoint, inject: [Registry] },
        RequestMetrics,
        KeyMetrics,
        DatabasePoolMetrics,
        AlertMetrics,
        LoadMetrics,
        LookupMetrics,
      ],
    };
  }
}
