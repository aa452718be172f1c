import { setTimeout as sleep } from 'node:timers/promises';
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  CircuitState,
  CountBreaker,
  bulkhead,
  circuitBreaker,
  handleWhen,
  type BulkheadPolicy,
  type CircuitBreakerPolicy,
} from 'cockatiel';
import { BackendError, BackendUnavailableError } from './backend-errors.js';
import { RetryBudget } from './retry-budget.js';

const MAX_ATTEMPTS = 3;
const FIRST_DELAY_MS = 100;
const MAX_CONCURRENT = 64;
const MAX_QUEUED = 256;
/** How long an open circuit stays so before one call may try the backend again. */
export const HALF_OPEN_AFTER_MS = 1000;
const BREAKER_WINDOW = { threshold: 0.5, size: 20, minimumNumberOfCalls: 5 };

export interface CallLimits {
  /** For one request, from the wait for a connection to the last byte. */
  readonly responseTimeoutMs: number;
  /** For a call with all its retries. */
  readonly totalTimeoutMs: number;
}

export interface Call<Answer> {
  /** Sends one request. */
  attempt(signal: AbortSignal): Promise<Answer>;
  /** False for writes, which may have been done although no answer came. */
  readonly repeatable: boolean;
  /** The caller's; a call that was left is not a failure of the backend. */
  readonly signal?: AbortSignal | undefined;
}

/** What the calls of all routes share: how many may run at once, and how many retries there are. */
export class SharedCapacity {
  readonly bulkhead: BulkheadPolicy = bulkhead(MAX_CONCURRENT, MAX_QUEUED);
  readonly retryBudget = new RetryBudget();

  /** How many calls run, and how many wait for others to end. */
  get load(): Readonly<Record<'running' | 'waiting', number>> {
    const { executionSlots, queueSlots } = this.bulkhead;
    return { running: MAX_CONCURRENT - executionSlots, waiting: MAX_QUEUED - queueSlots };
  }
}

/**
 * How a route of the backend is called: time limits, few and spaced retries, a bound on concurrent requests, and a
 * circuit breaker of its own, so that one broken route doesn't take the others along.
 */
export class CallPolicy {
  private readonly breaker: CircuitBreakerPolicy;
  /** The call that tries whether the backend is back, while it does. */
  private probe: Promise<unknown> | undefined;
  private waitingForProbe = 0;

  constructor(
    private readonly limits: CallLimits,
    private readonly shared: SharedCapacity,
  ) {
    this.breaker = circuitBreaker(
      handleWhen((error) => this.isFailure(error)),
      { halfOpenAfter: HALF_OPEN_AFTER_MS, breaker: new CountBreaker(BREAKER_WINDOW) },
    );
  }

  /** Whether calls are refused, or one is let through to see whether the backend is back. */
  get isCircuitOpen(): boolean {
    return this.breaker.state !== CircuitState.Closed;
  }

  /** @throws BackendError, or the reason of the caller's signal. */
  async run<Answer>(call: Call<Answer>): Promise<Answer> {
    const deadline = performance.now() + this.limits.totalTimeoutMs;
    const timeout = AbortSignal.timeout(this.limits.totalTimeoutMs);
    const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout]);
    this.shared.retryBudget.deposit();
    try {
      return await orAborted(this.retry(call, signal, deadline), signal);
    } catch (error) {
      call.signal?.throwIfAborted();
      // Not the joint signal, though it says the same: Node 20 forgets a time-out that only `AbortSignal.any` knows
      // (nodejs/node#57736).
      if (timeout.aborted) throw new BackendUnavailableError('timeout', true);
      throw error;
    }
  }

  private async retry<Answer>(
    call: Call<Answer>,
    signal: AbortSignal,
    deadline: number,
  ): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.guard(() => this.attemptInTime(call, signal), signal);
      } catch (error) {
        const delay = retryDelay(error, attempt);
        const canWait = delay !== undefined && performance.now() + delay < deadline;
        if (!call.repeatable || !canWait || !this.shared.retryBudget.withdraw()) throw error;
        await sleep(delay, undefined, { signal });
      }
    }
  }

  private async guard<Answer>(
    attempt: () => Promise<Answer>,
    signal: AbortSignal,
  ): Promise<Answer> {
    try {
      for (;;) {
        if (this.probe !== undefined) await this.wait(this.probe);
        const begun = await this.shared.bulkhead.execute(() => this.begin(attempt, signal));
        if (begun !== undefined) return begun.answer;
      }
    } catch (error) {
      if (error instanceof BrokenCircuitError) {
        throw new BackendUnavailableError('circuit-open', true);
      }
      if (error instanceof BulkheadRejectedError) {
        throw new BackendUnavailableError('too-many-calls', true);
      }
      throw error;
    }
  }

  // Not in a place of the bulkhead, as the breaker does it: calls of a broken route would fill them all.
  private async wait(probe: Promise<unknown>): Promise<void> {
    if (this.waitingForProbe >= MAX_QUEUED) throw new BrokenCircuitError();
    this.waitingForProbe += 1;
    await probe;
    this.waitingForProbe -= 1;
  }

  /** Undefined where the probe has begun since; it is to be waited for first. */
  private async begin<Answer>(
    attempt: () => Promise<Answer>,
    signal: AbortSignal,
  ): Promise<{ answer: Answer } | undefined> {
    // A call that waited until nobody wants its answer must not reach the backend. Not the bulkhead's own way, to give it the
    // signal: it then starts nothing in the place of a call that it leaves out.
    signal.throwIfAborted();
    if (this.probe !== undefined) return undefined;
    const answer = this.breaker.execute(attempt);
    if (this.breaker.state === CircuitState.HalfOpen) {
      const forget = () => void (this.probe = undefined);
      this.probe = answer.then(forget, forget);
    }
    return { answer: await answer };
  }

  private async attemptInTime<Answer>(call: Call<Answer>, signal: AbortSignal): Promise<Answer> {
    const limit = AbortSignal.timeout(this.limits.responseTimeoutMs);
    try {
      return await call.attempt(AbortSignal.any([signal, limit]));
    } catch (error) {
      call.signal?.throwIfAborted();
      if (limit.aborted || signal.aborted) throw new BackendUnavailableError('timeout', true);
      throw error;
    }
  }

  private isFailure(error: unknown): boolean {
    if (error instanceof BackendUnavailableError) return error.reason !== 'rate-limited';
    // Cockatiel takes any other error of the probe as a success: a caller who leaves would close the circuit.
    return this.breaker.state === CircuitState.HalfOpen && !(error instanceof BackendError);
  }
}

/** Milliseconds until the next attempt, or undefined if there must be none. */
function retryDelay(error: unknown, attempt: number): number | undefined {
  if (!(error instanceof BackendUnavailableError) || attempt >= MAX_ATTEMPTS) return undefined;
  const { reason, details } = error;
  const transient =
    reason === 'network' ||
    reason === 'rate-limited' ||
    (reason === 'status' && [502, 503, 504].includes(details.status ?? 0));
  if (!transient) return undefined;
  // Random over the whole range, so that callers who failed together don't come back together.
  const jitter = Math.random() * FIRST_DELAY_MS * 2 ** attempt;
  return (details.retryAfterMs ?? 0) + jitter;
}

async function orAborted<Answer>(work: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  let abort = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason);
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
