import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { RequestDurations } from '@latchkey/metrics/request-durations';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';
import {
  ATTEMPT_OUTCOMES,
  type AttemptOutcome,
  type FinishedRequest,
  LIMIT_NAMES,
  type LimitName,
  type RequestKind,
} from '../requests/finished-request.js';
import { FinishedRequests } from '../requests/finished-requests.js';

/** Requests since the last scrape, for a counter that is asked only then: prom-client's own way takes longer than a key's check. */
interface Unreported {
  requests: number;
}

/** Counts requests, what became of the keys that came with them, and the limits in their way. */
@Injectable()
export class RequestMetrics implements OnModuleInit {
  private readonly durations: RequestDurations;
  private readonly attempts: ReadonlyMap<AttemptOutcome, Unreported>;
  private readonly refusals: ReadonlyMap<LimitName, Unreported>;

  constructor(
    private readonly requests: FinishedRequests,
    private readonly endpoint: MetricsEndpoint,
    registry: Registry,
  ) {
    this.durations = new RequestDurations(registry);
    this.attempts = addCounter(registry, ATTEMPT_OUTCOMES, 'outcome', {
      name: 'latchkey_auth_attempts_total',
      help: 'Requests to routes that ask for a key, by the true reason of what became of the key.',
    });
    this.refusals = addCounter(registry, LIMIT_NAMES, 'limit', {
      name: 'latchkey_limit_refusals_total',
      help: 'Requests that a limit has refused.',
    });
  }

  onModuleInit(): void {
    if (!this.endpoint.isEnabled) return;
    this.requests.observe((kind, requests) => this.count(kind, requests));
  }

  private count(kind: RequestKind, requests: readonly FinishedRequest[]): void {
    const { method, route, status, outcome, limit } = kind;
    const series = this.durations.seriesOf(method, route, status);
    for (const { durationMs } of requests) series.add(durationMs);
    if (outcome !== null) increase(this.attempts.get(outcome), requests.length);
    if (limit !== null) increase(this.refusals.get(limit), requests.length);
  }
}

/** A counter with each value of its label from 0 on, so that the first one is an increase. */
function addCounter<Value extends string>(
  registry: Registry,
  values: readonly Value[],
  label: string,
  { name, help }: { name: string; help: string },
): ReadonlyMap<Value, Unreported> {
  const unreported = new Map(values.map((value) => [value, { requests: 0 }]));
  const counter = new Counter({
    name,
    help,
    labelNames: [label],
    registers: [],
    collect() {
      for (const [value, since] of unreported) {
        this.inc({ [label]: value }, since.requests);
        since.requests = 0;
      }
    },
  });
  registry.registerMetric(counter);
  return unreported;
}

function increase(unreported: Unreported | undefined, requests: number): void {
  if (unreported !== undefined) unreported.requests += requests;
}
