import { setTimeout as sleep } from 'node:timers/promises';
import { inSpan } from '@latchkey/tracing/spans';
import type { BackendEnvironment } from '../config/environment.js';
import { abortable } from './abortable.js';
import { BackendError, type BackendOutcome, BackendUnavailableError } from './backend-errors.js';
import type { BackendRequest, BackendTransport, CallOptions } from './backend-transport.js';
import { Bulkhead } from './bulkhead.js';
import { CircuitBreaker } from './circuit-breaker.js';

const MAX_ATTEMPTS = 3;
const FIRST_DELAY_MS = 100;
// Each call adds 0.08 retries to the retry budget, so retries add at most about 8% to the load.
const INITIAL_RETRIES = 2;
const MAX_RETRIES = 5;
const RETRIES_PER_CALL = 0.08;

/** The kinds of backend calls. Each has its own circuit breaker. */
export const BACKEND_ROUTES = ['user', 'user-accounts', 'accounts', 'update'] as const;
export type BackendRoute = (typeof BACKEND_ROUTES)[number];

/** Observes calls and the requests that they send. Its methods must not block or throw. */
export interface BackendObserver {
  /** A call has ended, after any retries. It may have sent no request at all. */
  onCall(route: BackendRoute, outcome: BackendOutcome): void;
  onRequest(route: BackendRoute, outcome: BackendOutcome, durationMs: number): void;
  onRetry(route: BackendRoute): void;
}

interface Call<Result> {
  readonly route: BackendRoute;
  readonly request: BackendRequest<Result>;
  readonly options: CallOptions;
  readonly deadline: number;
}

/**
 * Calls the backend. Each attempt passes the circuit breaker of its route and the shared bulkhead.
 * An attempt is aborted at the response time-out, or as soon as the caller's signal aborts.
 */
export class BackendCalls {
  observer: BackendObserver | undefined;
  private readonly bulkhead = new Bulkhead();
  private retryBudget = INITIAL_RETRIES;
  private readonly breakers: Readonly<Record<BackendRoute, CircuitBreaker>> = {
    user: new CircuitBreaker(),
    'user-accounts': new CircuitBreaker(),
    accounts: new CircuitBreaker(),
    update: new CircuitBreaker(),
  };

  constructor(
    private readonly transport: Pick<BackendTransport, 'send'>,
    private readonly timeouts: Pick<
      BackendEnvironment,
      'BACKEND_RESPONSE_TIMEOUT_MS' | 'BACKEND_TOTAL_TIMEOUT_MS'
    >,
  ) {}

  isCircuitOpen(route: BackendRoute): boolean {
    return this.breakers[route].isOpen;
  }

  get load(): Readonly<Record<'running' | 'waiting', number>> {
    return this.bulkhead.load;
  }

  /** Runs `work` and reports it as one call, even if `work` calls `send` several times. */
  observeCall<Result>(route: BackendRoute, work: () => Promise<Result>): Promise<Result> {
    return observe(work, (outcome) => this.observer?.onCall(route, outcome));
  }

  /** @throws BackendError if the call fails; `signal.reason` if the signal aborts */
  async send<Result>(
    route: BackendRoute,
    request: BackendRequest<Result>,
    options: CallOptions,
  ): Promise<Result> {
    const deadline = performance.now() + this.timeouts.BACKEND_TOTAL_TIMEOUT_MS;
    this.retryBudget = Math.min(MAX_RETRIES, this.retryBudget + RETRIES_PER_CALL);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.attempt({ route, request, options, deadline }, attempt);
      } catch (error) {
        const delayMs = retryDelay(error, attempt);
        const hasTime = delayMs !== undefined && performance.now() + delayMs < deadline;
        // Writes are not retried: the backend may have applied a write whose response was lost.
        if (request.method !== 'GET' || !hasTime || this.retryBudget < 1) throw error;
        this.retryBudget -= 1;
        await sleep(delayMs, undefined, { signal: options.signal }).catch(() => undefined);
      }
    }
  }

  private async attempt<Result>(call: Call<Result>, attempt: number): Promise<Result> {
    const { route, deadline } = call;
    const { signal } = call.options;
    const breaker = this.breakers[route];
    for (;;) {
      signal?.throwIfAborted();
      // Wait outside the bulkhead: calls of a broken route must not occupy the shared slots.
      if (breaker.isProbing) await breaker.waitForProbe(signal, deadline);
      breaker.requireAdmission();
      await this.bulkhead.enter(signal, deadline);
      try {
        // Another call may have begun a probe while this call was queued.
        if (breaker.isProbing) continue;
        signal?.throwIfAborted();
        return await breaker.run(() => {
          if (attempt > 1) this.observer?.onRetry(route);
          return observe(
            () => this.request(call),
            (outcome, durationMs) => this.observer?.onRequest(route, outcome, durationMs),
          );
        });
      } finally {
        this.bulkhead.leave();
      }
    }
  }

  private async request<Result>(call: Call<Result>): Promise<Result> {
    const { route, request, options, deadline } = call;
    const hangUp = new AbortController();
    const limit = Math.min(deadline, performance.now() + this.timeouts.BACKEND_RESPONSE_TIMEOUT_MS);
    const span = { name: `backend ${route}`, kind: 'client' } as const;
    const response = inSpan(span, () =>
      this.transport.send(request, { ...options, signal: hangUp.signal }),
    );
    try {
      return await abortable(response, options.signal, limit);
    } catch (error) {
      hangUp.abort(error);
      throw error;
    }
  }
}

/**
 * Returns the milliseconds until the next attempt; undefined if the call must not be retried. A
 * call that timed out is not retried, because the backend may still be busy with it.
 */
function retryDelay(error: unknown, attempt: number): number | undefined {
  if (!(error instanceof BackendUnavailableError) || attempt >= MAX_ATTEMPTS) return undefined;
  const { reason, retryable, details } = error;
  const isTransient = reason === 'network' || reason === 'rate-limited' || reason === 'status';
  if (!isTransient || !retryable) return undefined;
  // Full jitter, so that callers that failed together do not retry together.
  const jitter = Math.random() * FIRST_DELAY_MS * 2 ** attempt;
  return (details.retryAfterMs ?? 0) + jitter;
}

/** Runs work and reports its outcome and duration. */
async function observe<Result>(
  work: () => Promise<Result>,
  report: (outcome: BackendOutcome, durationMs: number) => void,
): Promise<Result> {
  const startedAt = performance.now();
  let outcome: BackendOutcome = 'ok';
  try {
    return await work();
  } catch (error) {
    outcome = error instanceof BackendError ? error.outcome : 'abandoned';
    throw error;
  } finally {
    report(outcome, performance.now() - startedAt);
  }
}
