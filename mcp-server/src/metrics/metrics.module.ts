import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { createRegistry } from '@latchkey/metrics/process-metrics';
import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Registry } from 'prom-client';
import type { Environment } from '../config/environment.js';
import { McpMetrics } from './mcp-metrics.js';

/** Metrics for Prometheus on `MCP_METRICS_PORT`. Without that variable it is not imported. */
@Module({
  providers: [
    {
      provide: Registry,
      useFactory: () => createRegistry(true, new URL('../../package.json', import.meta.url)),
    },
    {
      provide: MetricsEndpoint,
      inject: [Registry, ConfigService],
      useFactory: (registry: Registry, config: ConfigService<Environment, true>) =>
        new MetricsEndpoint(registry, {
          host: config.get('METRICS_HOST', { infer: true }),
          port: config.get('MCP_METRICS_PORT', { infer: true }),
          variable: 'MCP_METRICS_PORT',
        }),
    },
    McpMetrics,
  ],
})
export class MetricsModule {}
