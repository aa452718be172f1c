import { RequestDurations } from '@latchkey/metrics/request-durations';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';
import {
  ATTEMPT_OUTCOMES,
  type FinishedRequest,
  LIMIT_NAMES,
} from '../requests/finished-request.js';
import { FinishedRequests } from '../requests/finished-requests.js';

/** Counts requests, what became of the keys that came with them, and the limits in their way. */
@Injectable()
export class RequestMetrics implements OnModuleInit {
  private readonly durations: RequestDurations;
  private readonly attempts;
  private readonly refusals;

  constructor(
    private readonly requests: FinishedRequests,
    registry: Registry,
  ) {
    this.durations = new RequestDurations(registry);
    const attempts = new Counter({
      name: 'latchkey_auth_attempts_total',
      help: 'Requests to routes that ask for a key, by the true reason of what became of the key.',
      labelNames: ['outcome'] as const,
      registers: [registry],
    });
    // Each from 0 on, so that the first one is an increase.
    this.attempts = new Map(
      ATTEMPT_OUTCOMES.map((outcome) => [outcome, startAtZero(attempts.labels(outcome))]),
    );
    const refusals = new Counter({
      name: 'latchkey_limit_refusals_total',
      help: 'Requests that a limit has refused.',
      labelNames: ['limit'] as const,
      registers: [registry],
    });
    this.refusals = new Map(
      LIMIT_NAMES.map((limit) => [limit, startAtZero(refusals.labels(limit))]),
    );
  }

  onModuleInit(): void {
    this.requests.observe((request) => this.count(request));
  }

  private count({ method, route, status, durationMs, outcome, limit }: FinishedRequest): void {
    this.durations.observe(method, route, status, durationMs);
    if (outcome !== null) this.attempts.get(outcome)?.inc();
    if (limit !== null) this.refusals.get(limit)?.inc();
  }
}

function startAtZero<Child extends { inc(value?: number): void }>(child: Child): Child {
  child.inc(0);
  return child;
}
