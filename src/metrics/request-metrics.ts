import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { RequestDurations } from '@latchkey/metrics/request-durations';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';
import {
  ATTEMPT_OUTCOMES,
  LIMIT_NAMES,
  type RequestEvent,
  type RequestLabels,
} from '../requests/request-event.js';
import { RequestEvents } from '../requests/request-events.js';
import { AccountsService } from '../users/accounts.service.js';
import { UsersService } from '../users/users.service.js';

/** Measures requests, key checks, refusals by limits, and user look-ups per database statement. */
@Injectable()
export class RequestMetrics implements OnModuleInit {
  private readonly durations: RequestDurations;
  private readonly attempts;
  private readonly refusals;
  private readonly batchSizes;

  constructor(
    private readonly events: RequestEvents,
    private readonly users: UsersService,
    private readonly accounts: AccountsService,
    private readonly endpoint: MetricsEndpoint,
    registry: Registry,
  ) {
    const registers = [registry];
    this.durations = new RequestDurations(registry);
    this.attempts = new Counter({
      name: 'latchkey_auth_attempts_total',
      help: 'Requests to routes that require an API key, by outcome of the key check.',
      labelNames: ['outcome'],
      registers,
    });
    this.refusals = new Counter({
      name: 'latchkey_limit_refusals_total',
      help: 'Requests refused with 429 because of a limit per key or client network, by limit.',
      labelNames: ['limit'],
      registers,
    });
    this.batchSizes = new Histogram({
      name: 'latchkey_user_lookup_batch_size',
      help: 'Number of user look-ups that shared one database statement.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    });
    // Each series starts at 0, so that PromQL's `rate` sees its first increase.
    for (const outcome of ATTEMPT_OUTCOMES) this.attempts.inc({ outcome }, 0);
    for (const limit of LIMIT_NAMES) this.refusals.inc({ limit }, 0);
  }

  onModuleInit(): void {
    if (!this.endpoint.isEnabled) return;
    this.events.observe((labels, events) => this.count(labels, events));
    for (const loader of [this.users.byId, this.accounts.byUser]) {
      loader.observe((size) => this.batchSizes.observe(size));
    }
  }

  private count(labels: RequestLabels, events: readonly RequestEvent[]): void {
    const { method, route, status, outcome, limit } = labels;
    const series = this.durations.seriesOf(method, route, status);
    for (const { durationMs } of events) series.observe(durationMs / 1000);
    if (outcome !== null) this.attempts.inc({ outcome }, events.length);
    if (limit !== null) this.refusals.inc({ limit }, events.length);
  }
}
