import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { createRegistry } from '@latchkey/metrics/process-metrics';
import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Registry } from 'prom-client';
import { AlertsModule } from '../alerts/alerts.module.js';
import { KeyVerificationModule } from '../api-keys/key-verification.module.js';
import type { Environment } from '../config/environment.js';
import { LimitsModule } from '../limits/limits.module.js';
import { UsersModule } from '../users/users.module.js';
import { ComponentMetrics } from './component-metrics.js';
import { RequestMetrics } from './request-metrics.js';

/** Serves Prometheus metrics on `METRICS_PORT`. If it is not set, no metrics are collected. */
@Module({
  imports: [AlertsModule, KeyVerificationModule, LimitsModule, UsersModule],
  providers: [
    {
      provide: Registry,
      inject: [ConfigService],
      useFactory: (config: ConfigService<Environment, true>) =>
        createRegistry(
          config.get('METRICS_PORT', { infer: true }) !== undefined,
          new URL('../../package.json', import.meta.url),
        ),
    },
    {
      provide: MetricsEndpoint,
      inject: [Registry, ConfigService],
      useFactory: (registry: Registry, config: ConfigService<Environment, true>) =>
        new MetricsEndpoint(registry, {
          host: config.get('METRICS_HOST', { infer: true }),
          port: config.get('METRICS_PORT', { infer: true }),
          variable: 'METRICS_PORT',
        }),
    },
    ComponentMetrics,
    RequestMetrics,
  ],
})
export class MetricsModule {}
