import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { addGaugeBy } from '@latchkey/metrics/read-metrics';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';
import { BackendClient } from '../backend/backend-client.js';
import {
  BACKEND_ROUTES,
  type BackendObserver,
  type BackendOutcome,
  type BackendRoute,
} from '../backend/backend-observer.js';

const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const CIRCUIT_OPEN = {
  name: 'latchkey_mcp_backend_circuit_open',
  help: 'Whether calls of a route are refused, because most of them failed: 1 until one succeeds again.',
};
const BULKHEAD = {
  name: 'latchkey_mcp_backend_bulkhead_calls',
  help: 'Calls of the backend that run, and that wait for others to end.',
};

/** Counts what is asked of the backend, and tells what holds calls back. */
@Injectable()
export class BackendMetrics implements BackendObserver, OnModuleInit {
  private readonly calls;
  private readonly requests;
  private readonly retries;

  constructor(
    private readonly backend: BackendClient,
    private readonly endpoint: MetricsEndpoint,
    registry: Registry,
  ) {
    const registers = [registry];
    this.calls = new Counter({
      name: 'latchkey_mcp_backend_calls_total',
      help: 'Calls of the backend with all their retries, also those that an open circuit or the bulkhead refused.',
      labelNames: ['route', 'outcome'] as const,
      registers,
    });
    this.requests = new Histogram({
      name: 'latchkey_mcp_backend_request_duration_seconds',
      help: 'Duration of single requests to the backend.',
      labelNames: ['route', 'outcome'] as const,
      buckets: BUCKETS_S,
      registers,
    });
    this.retries = new Counter({
      name: 'latchkey_mcp_backend_retries_total',
      help: 'Requests to the backend that were sent again.',
      labelNames: ['route'] as const,
      registers,
    });
    for (const route of BACKEND_ROUTES) {
      this.calls.inc({ route, outcome: 'ok' }, 0);
      this.retries.inc({ route }, 0);
    }
    this.watchCapacity(registry);
  }

  onModuleInit(): void {
    if (this.endpoint.isEnabled) this.backend.observe(this);
  }

  onCall(route: BackendRoute, outcome: BackendOutcome): void {
    this.calls.inc({ route, outcome });
  }

  onRequest(route: BackendRoute, outcome: BackendOutcome, durationMs: number): void {
    this.requests.observe({ route, outcome }, durationMs / 1000);
  }

  onRetry(route: BackendRoute): void {
    this.retries.inc({ route });
  }

  private watchCapacity(registry: Registry): void {
    const isOpen = (route: BackendRoute) => [route, Number(this.backend.isCircuitOpen(route))];
    addGaugeBy(registry, 'route', CIRCUIT_OPEN, () =>
      Object.fromEntries(BACKEND_ROUTES.map(isOpen)),
    );
    addGaugeBy(registry, 'state', BULKHEAD, () => this.backend.load);
  }
}
