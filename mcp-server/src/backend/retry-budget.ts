const RATIO = 0.08;
const CAPACITY = 5;
const INITIAL = 2;

/**
 * Allows retries in proportion to calls: each call pays in 8 % of a retry. So a backend that fails every
 * call gets a few more requests, not three times as many.
 */
export class RetryBudget {
  private balance = INITIAL;

  /** Counts a call. */
  deposit(): void {
    this.balance = Math.min(CAPACITY, this.balance + RATIO);
  }

  /** Takes one retry, if there is one. */
  withdraw(): boolean {
    if (this.balance < 1) return false;
    this.balance -= 1;
    return true;
  }
}
