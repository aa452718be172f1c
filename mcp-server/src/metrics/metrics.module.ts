import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { createRegistry } from '@latchkey/metrics/process-metrics';
import { addGaugeBy } from '@latchkey/metrics/read-metrics';
import { RequestDurations } from '@latchkey/metrics/request-durations';
import { Module, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { Counter, Histogram, Registry } from 'prom-client';
import { TOKEN_FAULTS, TokenFailures } from '../auth/token-failures.js';
import { BackendClient } from '../backend/backend-client.js';
import { BACKEND_ROUTES } from '../backend/backend-calls.js';
import type { Environment } from '../config/environment.js';
import { ToolCaller } from '../tools/tool-caller.js';

const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/**
 * Metrics for Prometheus on `MCP_METRICS_PORT`. Without that variable, the server opens no metrics
 * port and counts nothing.
 */
@Module({
  providers: [
    {
      provide: Registry,
      inject: [ConfigService],
      useFactory: (config: ConfigService<Environment, true>) =>
        createRegistry(
          config.get('MCP_METRICS_PORT', { infer: true }) !== undefined,
          new URL('../../package.json', import.meta.url),
        ),
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
  ],
})
export class MetricsModule implements OnModuleInit {
  constructor(
    private readonly endpoint: MetricsEndpoint,
    private readonly registry: Registry,
    private readonly host: HttpAdapterHost,
    private readonly tokenFailures: TokenFailures,
    private readonly toolCaller: ToolCaller,
    private readonly backend: BackendClient,
  ) {}

  onModuleInit(): void {
    if (!this.endpoint.isEnabled) return;
    this.observeRequests();
    this.observeTools();
    this.observeBackend();
  }

  private observeRequests(): void {
    const durations = new RequestDurations(this.registry);
    const fastify: FastifyInstance = this.host.httpAdapter.getInstance();
    fastify.addHook('onResponse', ({ method, routeOptions }, reply, done) => {
      const { url = null } = routeOptions;
      durations.seriesOf(method, url, reply.statusCode).observe(reply.elapsedTime / 1000);
      done();
    });
  }

  private observeTools(): void {
    const registers = [this.registry];
    const failures = new Counter({
      name: 'latchkey_mcp_token_failures_total',
      help: 'Refused access tokens, by fault: malformed, expired, signature or claims.',
      labelNames: ['fault'] as const,
      registers,
    });
    // The series start at 0, so that PromQL's `rate` sees the first failure of each kind.
    for (const fault of TOKEN_FAULTS) failures.inc({ fault }, 0);
    this.tokenFailures.onFailure = (fault) => failures.inc({ fault });
    const durations = new Histogram({
      name: 'latchkey_mcp_tool_call_duration_seconds',
      help: 'Duration of tool calls, by tool and outcome.',
      labelNames: ['tool', 'outcome'] as const,
      buckets: [...BUCKETS_S, 5],
      registers,
    });
    this.toolCaller.onFinished = (tool, outcome, durationMs) =>
      durations.observe({ tool, outcome }, durationMs / 1000);
  }

  private observeBackend(): void {
    const registers = [this.registry];
    const calls = new Counter({
      name: 'latchkey_mcp_backend_calls_total',
      help: 'Calls to the backend, including calls that the circuit breaker or the bulkhead (limit of concurrent calls) refused. Retries are not counted.',
      labelNames: ['route', 'outcome'] as const,
      registers,
    });
    const requests = new Histogram({
      name: 'latchkey_mcp_backend_request_duration_seconds',
      help: 'Duration of each request to the backend. A call that is retried sends several requests.',
      labelNames: ['route', 'outcome'] as const,
      buckets: BUCKETS_S,
      registers,
    });
    const retries = new Counter({
      name: 'latchkey_mcp_backend_retries_total',
      help: 'Retries of requests to the backend.',
      labelNames: ['route'] as const,
      registers,
    });
    for (const route of BACKEND_ROUTES) {
      calls.inc({ route, outcome: 'ok' }, 0);
      retries.inc({ route }, 0);
    }
    const backend = this.backend.calls;
    backend.observer = {
      onCall: (route, outcome) => calls.inc({ route, outcome }),
      onRequest: (route, outcome, durationMs) =>
        requests.observe({ route, outcome }, durationMs / 1000),
      onRetry: (route) => retries.inc({ route }),
    };
    const circuit = {
      name: 'latchkey_mcp_backend_circuit_open',
      help: 'Whether the circuit breaker of a backend route is open: 1 while it refuses calls.',
    };
    addGaugeBy(this.registry, 'route', circuit, () =>
      Object.fromEntries(
        BACKEND_ROUTES.map((route) => [route, Number(backend.isCircuitOpen(route))]),
      ),
    );
    const bulkhead = {
      name: 'latchkey_mcp_backend_bulkhead_calls',
      help: 'Calls to the backend, by state: running, or waiting in the queue of the bulkhead.',
    };
    addGaugeBy(this.registry, 'state', bulkhead, () => backend.load);
  }
}
