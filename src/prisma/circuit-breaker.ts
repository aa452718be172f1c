const FAILURES_TO_OPEN = 5;
const TRIAL_INTERVAL_MS = 100;

/**
 * Opens after 5 failures in a row. While it is open, it refuses calls, except for one trial call
 * 100 ms after the latest failure. The first success closes the circuit breaker.
 * docs/decisions/0043 says why Latchkey does not use the circuit breaker of cockatiel.
 */
export class CircuitBreaker {
  private failures = 0;
  private nextTrialAt = 0;
  private isTrying = false;

  get isOpen(): boolean {
    return this.failures >= FAILURES_TO_OPEN;
  }

  /** Whether a call is allowed. Each allowed call must report `succeed` or `fail`. */
  allows(): boolean {
    if (!this.isOpen) return true;
    if (this.isTrying || performance.now() < this.nextTrialAt) return false;
    this.isTrying = true;
    return true;
  }

  succeed(): void {
    this.failures = 0;
    this.isTrying = false;
  }

  fail(): void {
    this.failures += 1;
    this.isTrying = false;
    this.nextTrialAt = performance.now() + TRIAL_INTERVAL_MS;
  }
}
