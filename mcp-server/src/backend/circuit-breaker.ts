import { BackendError, BackendUnavailableError } from './backend-errors.js';
import { within } from './within.js';

const WINDOW = 20;
const MIN_REQUESTS = 5;
const MAX_WAITING_FOR_PROBE = 256;
/** How long an open circuit refuses requests before it lets one probe the backend. */
export const HALF_OPEN_AFTER_MS = 1000;

/**
 * Refuses requests while most of them fail. The circuit opens when more than half of the last 20
 * requests failed. A second later one request probes the backend while the others wait. Its
 * outcome closes the circuit or keeps it open for another second.
 */
export class CircuitBreaker {
  /** Whether each of the last requests succeeded. */
  private outcomes: boolean[] = [];
  /** Undefined while the circuit is closed. */
  private halfOpenAt: number | undefined;
  private probe: { readonly ended: Promise<void>; readonly end: () => void } | undefined;
  private waitingForProbe = 0;

  /** Whether requests are refused, except for the probe. */
  get isOpen(): boolean {
    return this.halfOpenAt !== undefined;
  }

  get isProbing(): boolean {
    return this.probe !== undefined;
  }

  /** Waits for the outcome of the probe. */
  async waitForProbe(signal: AbortSignal | undefined, deadline: number): Promise<void> {
    if (this.probe === undefined) return;
    if (this.waitingForProbe >= MAX_WAITING_FOR_PROBE) throw circuitOpen();
    this.waitingForProbe += 1;
    try {
      await within(this.probe.ended, signal, deadline);
    } finally {
      this.waitingForProbe -= 1;
    }
  }

  /** @throws BackendUnavailableError if the circuit is open and it is too early for a probe. */
  requireAdmission(): void {
    if (this.halfOpenAt !== undefined && performance.now() < this.halfOpenAt) throw circuitOpen();
  }

  /**
   * Sends a request, which is the probe if the circuit is open, and records its outcome.
   * @throws BackendUnavailableError if the request is refused.
   */
  async run<Answer>(send: () => Promise<Answer>): Promise<Answer> {
    this.requireAdmission();
    const isProbe = this.isOpen;
    if (isProbe) this.beginProbe();
    let succeeded: boolean | undefined;
    try {
      const answer = await send();
      succeeded = true;
      return answer;
    } catch (error) {
      succeeded = isHealthy(error);
      throw error;
    } finally {
      if (isProbe) this.endProbe(succeeded === true);
      else if (succeeded !== undefined) this.count(succeeded);
    }
  }

  private beginProbe(): void {
    let end = () => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    this.probe = { ended, end };
  }

  private endProbe(succeeded: boolean): void {
    if (succeeded) this.close();
    else this.open();
    this.probe?.end();
    this.probe = undefined;
  }

  private count(succeeded: boolean): void {
    // Requests that were sent before the circuit opened say nothing new.
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

  private close(): void {
    this.halfOpenAt = undefined;
    this.outcomes = [];
  }
}

const circuitOpen = () => new BackendUnavailableError('circuit-open', true);

/**
 * Whether an error is a proper answer of the backend; undefined where the backend was not at fault.
 */
function isHealthy(error: unknown): boolean | undefined {
  if (error instanceof BackendUnavailableError) return error.reason === 'rate-limited';
  return error instanceof BackendError ? true : undefined;
}
