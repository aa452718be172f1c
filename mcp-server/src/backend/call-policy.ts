import { setTimeout as sleep } from 'node:timers/promises';
import { BackendUnavailableError } from './backend-errors.js';
import { Bulkhead } from './bulkhead.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { RetryBudget } from './retry-budget.js';
import { within } from './within.js';

const MAX_ATTEMPTS = 3;
const FIRST_DELAY_MS = 100;

export interface CallLimits {
  /** For one request, from the wait for a connection to the last byte. */
  readonly responseTimeoutMs: number;
  /** For a call with all its retries. */
  readonly totalTimeoutMs: number;
}

export interface Call<Answer> {
  /** Sends one request, and hangs up when the signal is aborted. */
  attempt(signal: AbortSignal): Promise<Answer>;
  /** False for writes, which may have been done although no answer came. */
  readonly repeatable: boolean;
  /** The caller's; a call that the caller left is no failure of the backend. */
  readonly signal?: AbortSignal | undefined;
}

/** Shared by the calls of all routes: the concurrency limit and the retry budget. */
export class SharedCapacity {
  readonly bulkhead = new Bulkhead();
  readonly retryBudget = new RetryBudget();

  get load(): Readonly<Record<'running' | 'waiting', number>> {
    return this.bulkhead.load;
  }
}

/**
 * Calls one route of the backend. A call makes up to 3 attempts within `totalTimeoutMs`. Each
 * attempt passes the route's circuit breaker and the shared bulkhead, and ends after
 * `responseTimeoutMs`. Everything ends at once when the caller leaves.
 */
export class CallPolicy {
  private readonly breaker = new CircuitBreaker();

  constructor(
    private readonly limits: CallLimits,
    private readonly shared: SharedCapacity,
  ) {}

  get isCircuitOpen(): boolean {
    return this.breaker.isOpen;
  }

  /** @throws BackendError, or the reason of the caller's signal. */
  async run<Answer>(call: Call<Answer>): Promise<Answer> {
    const deadline = performance.now() + this.limits.totalTimeoutMs;
    this.shared.retryBudget.deposit();
    for (let attempts = 1; ; attempts++) {
      try {
        return await this.attempt(call, deadline);
      } catch (error) {
        const delay = retryDelay(error, attempts);
        const hasTime = delay !== undefined && performance.now() + delay < deadline;
        if (!call.repeatable || !hasTime || !this.shared.retryBudget.withdraw()) throw error;
        await sleep(delay, undefined, { signal: call.signal }).catch(() => undefined);
      }
    }
  }

  private async attempt<Answer>(call: Call<Answer>, deadline: number): Promise<Answer> {
    const { breaker, shared } = this;
    for (;;) {
      call.signal?.throwIfAborted();
      // Outside the bulkhead: calls of a broken route must not take the places of other routes.
      if (breaker.isProbing) await breaker.waitForProbe(call.signal, deadline);
      breaker.requireAdmission();
      await shared.bulkhead.enter(call.signal, deadline);
      try {
        // Another call may have begun the probe while this one was queued.
        if (!breaker.isProbing) return await breaker.run(() => this.send(call, deadline));
      } finally {
        shared.bulkhead.leave();
      }
    }
  }

  private async send<Answer>(call: Call<Answer>, deadline: number): Promise<Answer> {
    call.signal?.throwIfAborted();
    const hangUp = new AbortController();
    const limit = Math.min(deadline, performance.now() + this.limits.responseTimeoutMs);
    try {
      return await within(call.attempt(hangUp.signal), call.signal, limit);
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
