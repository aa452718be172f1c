import { setTimeout as sleep } from 'node:timers/promises';
import { inSpan } from '@latchkey/tracing/spans';
import { BackendError, type BackendOutcome, BackendUnavailableError } from './backend-errors.js';
import type { BackendRequest, BackendTransport, Origin } from './backend-transport.js';
import { Bulkhead } from './bulkhead.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { RetryBudget } from './retry-budget.js';
import { within } from './within.js';

const MAX_ATTEMPTS = 3;
const FIRST_DELAY_MS = 100;

/** The kinds of calls, each with a circuit breaker of its own. */
export const BACKEND_ROUTES = ['user', 'user-accounts', 'accounts', 'update'] as const;
export type BackendRoute = (typeof BACKEND_ROUTES)[number];

export interface CallOptions extends Origin {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

/** Receives events of calls and of their requests. It returns at once and never throws. */
export interface BackendObserver {
  /** A call has ended, with all its retries. Its outcome may be that no request was sent. */
  onCall(route: BackendRoute, outcome: BackendOutcome): void;
  /** A single request has ended. */
  onRequest(route: BackendRoute, outcome: BackendOutcome, durationMs: number): void;
  /** A request is sent again. */
  onRetry(route: BackendRoute): void;
}

export interface CallLimits {
  /** For one request, from the wait for a connection to the last byte. */
  readonly responseTimeoutMs: number;
  /** For a call with all its retries. */
  readonly totalTimeoutMs: number;
}

interface Call<Answer> {
  readonly route: BackendRoute;
  readonly request: BackendRequest<Answer>;
  readonly origin: Origin;
  /** The caller's signal; its abort is not counted as a backend failure. */
  readonly signal: AbortSignal | undefined;
  readonly deadline: number;
}

/**
 * Calls the backend. A call makes up to 3 attempts within `totalTimeoutMs`. Each attempt passes the
 * route's circuit breaker and the shared bulkhead, and ends after `responseTimeoutMs`. Everything
 * ends at once when the caller leaves.
 */
export class BackendCalls {
  observer: BackendObserver | undefined;
  private readonly bulkhead = new Bulkhead();
  private readonly retryBudget = new RetryBudget();
  private readonly breakers: Readonly<Record<BackendRoute, CircuitBreaker>> = {
    user: new CircuitBreaker(),
    'user-accounts': new CircuitBreaker(),
    accounts: new CircuitBreaker(),
    update: new CircuitBreaker(),
  };

  constructor(
    private readonly transport: Pick<BackendTransport, 'send'>,
    private readonly limits: CallLimits,
  ) {}

  /** Whether calls of a route are refused, because most of them failed. */
  isCircuitOpen(route: BackendRoute): boolean {
    return this.breakers[route].isOpen;
  }

  /** How many calls run, and how many wait for others to end. */
  get load(): Readonly<Record<'running' | 'waiting', number>> {
    return this.bulkhead.load;
  }

  /** Reports how the work of one call ended. */
  watchCall<Answer>(route: BackendRoute, work: () => Promise<Answer>): Promise<Answer> {
    return watch(work, (outcome) => this.observer?.onCall(route, outcome));
  }

  /** @throws BackendError, or `signal.reason`. */
  async send<Answer>(
    route: BackendRoute,
    request: BackendRequest<Answer>,
    { signal, ...origin }: CallOptions,
  ): Promise<Answer> {
    const deadline = performance.now() + this.limits.totalTimeoutMs;
    const call = { route, request, origin, signal, deadline };
    this.retryBudget.fill();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.attempt(call, attempt);
      } catch (error) {
        const delay = retryDelay(error, attempt);
        const hasTime = delay !== undefined && performance.now() + delay < deadline;
        // A write may have been done although no answer came.
        if (request.method !== 'GET' || !hasTime || !this.retryBudget.take()) throw error;
        await sleep(delay, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  private async attempt<Answer>(call: Call<Answer>, attempt: number): Promise<Answer> {
    const { route, signal, deadline } = call;
    const breaker = this.breakers[route];
    for (;;) {
      signal?.throwIfAborted();
      // Outside the bulkhead: calls of a broken route must not take the places of other routes.
      if (breaker.isProbing) await breaker.waitForProbe(signal, deadline);
      breaker.requireAdmission();
      await this.bulkhead.enter(signal, deadline);
      try {
        // Another call may have begun the probe while this one was queued.
        if (breaker.isProbing) continue;
        return await breaker.run(() => {
          signal?.throwIfAborted();
          if (attempt > 1) this.observer?.onRetry(route);
          return watch(
            () => this.request(call),
            (outcome, durationMs) => this.observer?.onRequest(route, outcome, durationMs),
          );
        });
      } finally {
        this.bulkhead.leave();
      }
    }
  }

  private async request<Answer>(call: Call<Answer>): Promise<Answer> {
    const { route, request, origin, signal, deadline } = call;
    const hangUp = new AbortController();
    const limit = Math.min(deadline, performance.now() + this.limits.responseTimeoutMs);
    const span = { name: `backend ${route}`, kind: 'client' } as const;
    const answer = inSpan(span, () => this.transport.send(request, origin, hangUp.signal));
    try {
      return await within(answer, signal, limit);
    } catch (error) {
      hangUp.abort(error);
      throw error;
    }
  }
}

/**
 * Milliseconds until the next attempt, or undefined if there must be none. A slow answer is not
 * asked for again, since the backend may still be busy with it.
 */
function retryDelay(error: unknown, attempts: number): number | undefined {
  if (!(error instanceof BackendUnavailableError) || attempts >= MAX_ATTEMPTS) return undefined;
  const { reason, retryable, details } = error;
  const isTransient = reason === 'network' || reason === 'rate-limited' || reason === 'status';
  if (!isTransient || !retryable) return undefined;
  // Random over the whole range, so that callers who failed together don't come back together.
  const jitter = Math.random() * FIRST_DELAY_MS * 2 ** attempts;
  return (details.retryAfterMs ?? 0) + jitter;
}

async function watch<Answer>(
  work: () => Promise<Answer>,
  report: (outcome: BackendOutcome, durationMs: number) => void,
): Promise<Answer> {
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
