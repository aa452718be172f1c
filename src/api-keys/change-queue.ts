import { ProblemException } from '../problems/problem.js';
import { isDatabaseUnavailable } from '../prisma/database-error.js';

// With the change itself, well below the silence after which a connection is closed.
const PATIENCE_MS = 1500;

/** Carries out changes one after another: the audit trail needs that anyway, and waiting here holds no connection that requests need. */
export class ChangeQueue {
  private latest: Promise<unknown> = Promise.resolve();
  /** How many have failed one after another for want of the database, and when the last one did, on the clock of `performance`. */
  private failures = 0;
  private failedAt = -Infinity;

  /** @throws ProblemException `DATABASE_UNAVAILABLE` if it would have to wait too long, or what `change` throws. */
  async run<Result>(change: () => Promise<Result>): Promise<Result> {
    const askedAt = performance.now();
    const result = this.latest.then(() => {
      // Those that waited for it would fail as it did, one after another; but one alone may have waited for a row that is locked.
      const hasFailed = this.failures > 1 && this.failedAt > askedAt;
      // The caller has given up by then.
      if (hasFailed || performance.now() - askedAt > PATIENCE_MS) {
        throw new ProblemException('DATABASE_UNAVAILABLE');
      }
      return change();
    });
    this.latest = result.then(
      () => (this.failures = 0),
      (error: unknown) => this.noteFailure(error),
    );
    return result;
  }

  private noteFailure(error: unknown): void {
    if (!isDatabaseUnavailable(error)) return;
    this.failures += 1;
    this.failedAt = performance.now();
  }
}
