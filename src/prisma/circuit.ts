// So many failures in a row say that it is no coincidence.
const FAILURES_TO_OPEN = 5;
const TRIAL_INTERVAL_MS = 100;

/**
 * Stops asking what keeps failing, so that those who ask are told at once. While it is open, one at a time may try, at most
 * every 100 ms; the first success closes it.
 */
export class Circuit {
  private failures = 0;
  private nextTrialAt = 0;
  private isTrying = false;

  get isOpen(): boolean {
    return this.failures >= FAILURES_TO_OPEN;
  }

  /** Whether to ask now; whoever may must tell of the outcome. */
  admits(): boolean {
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
