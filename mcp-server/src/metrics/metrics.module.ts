import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { createRegistry } from '@latchkey/metrics/process-metrics';
import { type DynamicModule, Module } from '@nestjs/common';
import { Registry } from 'prom-client';
import type { Environment } from '../config/environment.js';
import { ToolsModule } from '../tools/tools.module.js';
import { BackendMetrics } from './backend-metrics.js';
import { RequestMetrics } from './request-metrics.js';
import { ToolMetrics } from './tool-metrics.js';

/** What Prometheus can scrape, if MCP_METRICS_PORT is set; without it nothing is counted. */
@Module({})
export class MetricsModule {
  static forEnvironment({
    METRICS_HOST: host,
    MCP_METRICS_PORT: port,
  }: Environment): DynamicModule {
    if (port === undefined) return { module: MetricsModule };
    const endpoint = (registry: Registry) =>
      new MetricsEndpoint(registry, { host, port, variable: 'MCP_METRICS_PORT' });
    return {
      module: MetricsModule,
      imports: [ToolsModule],
      providers: [
        { provide: Registry, useFactory: createRegistry },
        { provide: MetricsEndpoint, useFactory: endpoint, inject: [Registry] },
        RequestMetrics,
        ToolMetrics,
        BackendMetrics,
      ],
    };
  }
}
