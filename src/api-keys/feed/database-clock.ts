/**
 * The database's time, so that a key ends for all processes at once and no wrong clock of a machine lets one live on.
 * Between readings it follows the monotonic clock, which nobody can set.
 */
export class DatabaseClock {
  // Before the first reading no issued key is admitted, so the machine's own time does no harm.
  private offset = Date.now() - performance.now();

  /** Milliseconds since the epoch. */
  now(): number {
    return performance.now() + this.offset;
  }

  /** Takes a reading that was asked for at `askedAt` and has arrived just now. */
  set(databaseTime: number, askedAt: number): void {
    // The later of the possible times: a key must rather end too early than too late.
    this.offset = databaseTime - askedAt;
  }
}
