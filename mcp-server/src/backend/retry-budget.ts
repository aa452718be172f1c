const INITIAL_RETRIES = 2;
const MAX_RETRIES = 5;
const RETRIES_PER_CALL = 0.08;

/**
 * Allows retries in proportion to calls: each call pays in 8 % of a retry. So a backend that fails
 * every call gets a few more requests, not three times as many.
 */
export class RetryBudget {
  private retries = INITIAL_RETRIES;

  /** Counts a call. */
  fill(): void {
    this.retries = Math.min(MAX_RETRIES, this.retries + RETRIES_PER_CALL);
  }

  /** Takes one retry, if there is one. */
  take(): boolean {
    if (this.retries < 1) return false;
    this.retries -= 1;
    return true;
  }
}
