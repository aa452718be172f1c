import { abortable } from './abortable.js';
import { BackendError, BackendUnavailableError } from './backend-errors.js';

const WINDOW = 20;
const MIN_REQUESTS = 5;
const MAX_WAITING_FOR_PROBE = 256;
/** How long an open circuit refuses requests before one request may probe the backend. */
export const HALF_OPEN_AFTER_MS = 1000;

/**
 * Refuses requests while most of them fail. The circuit opens when more than half of the last 20
 * requests failed. One second later, one request probes the backend, and other requests wait for
 * its outcome. Success closes the circuit; otherwise it stays open for another second.
 */
export class CircuitBreaker {
  /** Whether each of the last 20 requests succeeded, oldest first. */
  private outcomes: boolean[] = [];
  /** The earliest time of the next probe; undefined while the circuit is closed. */
  private halfOpenAt: number | undefined;
  /** Settles when the request that probes the backend has ended. */
  private probe: Promise<unknown> | undefined;
  private waitingForProbe = 0;

  /** Whether all requests except for a probe are refused. */
  get isOpen(): boolean {
    return this.halfOpenAt !== undefined;
  }

  get isProbing(): boolean {
    return this.probe !== undefined;
  }

  async waitForProbe(signal: AbortSignal | undefined, deadline: number): Promise<void> {
    if (this.waitingForProbe >= MAX_WAITING_FOR_PROBE) throw circuitOpen();
    this.waitingForProbe += 1;
    try {
      await abortable(Promise.allSettled([this.probe]), signal, deadline);
    } finally {
      this.waitingForProbe -= 1;
    }
  }

  /** @throws BackendUnavailableError if the circuit is open and it is too early for a probe */
  requireAdmission(): void {
    if (this.halfOpenAt !== undefined && performance.now() < this.halfOpenAt) throw circuitOpen();
  }

  /**
   * Sends a request, which is the probe if the circuit is open, and records its outcome.
   * @throws BackendUnavailableError if the circuit is open and it is too early for a probe
   */
  async run<Result>(send: () => Promise<Result>): Promise<Result> {
    this.requireAdmission();
    const isProbe = this.isOpen;
    const response = send();
    if (isProbe) this.probe = response;
    let succeeded: boolean | undefined;
    try {
      const result = await response;
      succeeded = true;
      return result;
    } catch (error) {
      succeeded = isProperResponse(error);
      throw error;
    } finally {
      if (isProbe) this.endProbe(succeeded === true);
      else if (succeeded !== undefined) this.record(succeeded);
    }
  }

  private endProbe(succeeded: boolean): void {
    this.probe = undefined;
    this.outcomes = [];
    if (succeeded) this.halfOpenAt = undefined;
    else this.open();
  }

  private record(succeeded: boolean): void {
    // Ignore outcomes of requests that were sent before the circuit opened.
    if (this.isOpen) return;
    this.outcomes.push(succeeded);
    if (this.outcomes.length > WINDOW) this.outcomes.shift();
    if (succeeded || this.outcomes.length < MIN_REQUESTS) return;
    const failures = this.outcomes.filter((each) => !each).length;
    if (failures > this.outcomes.length / 2) this.open();
  }

  private open(): void {
    this.halfOpenAt = performance.now() + HALF_OPEN_AFTER_MS;
  }
}

const circuitOpen = () => new BackendUnavailableError('circuit-open');

/** Whether the backend responded properly; undefined if the request failed in this process. */
function isProperResponse(error: unknown): boolean | undefined {
  if (error instanceof BackendUnavailableError) return error.reason === 'rate-limited';
  return error instanceof BackendError ? true : undefined;
}
