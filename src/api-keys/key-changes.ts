import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import type { Prisma } from '../generated/prisma/client.js';
import { isDatabaseUnavailable, wasBlocked, withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { ProblemException } from '../problems/problem.js';

// The longest time that a change may wait in the queue. The change must end within 5.7 s: after
// this time without a byte from or to the client, the HTTP server closes the connection.
const MAX_WAIT_MS = 1500;
// Below the pool's statement timeout (600 ms), so that a blocked statement reports a lock timeout.
const LOCK_TIMEOUT = '500ms';
// Regular changes commit within this time. Sessions that block a revocation for a longer time are
// terminated.
const MAX_BLOCKED_MS = 300;
// Termination is repeated, because a terminated client may reconnect and lock the rows again.
const END_BLOCKERS_INTERVAL_MS = 50;
const REVOCATION_TIMEOUT_MS = 1000;

/** A change of keys inside a transaction. */
export interface KeyChange {
  readonly prisma: Prisma.TransactionClient;
  /** The database's time, the same for every process. */
  readonly now: Date;
}

/** Terminates the database sessions that block the session of the PostgreSQL process `pid`. */
export interface Blockers {
  end(pid: number): Promise<void>;
}

/** Changes keys in a transaction that names the actor for the audit trail. */
@Injectable()
export class KeyChanges {
  private readonly logger = new Logger(KeyChanges.name);
  private readonly changes = new ChangeQueue();
  /** Revocations have their own queue, because changes in the other queue may wait for locks. */
  private readonly revocations = new ChangeQueue();

  constructor(private readonly prisma: PrismaService) {}

  async run<Result>(
    actor: string,
    change: (change: KeyChange) => Promise<Result>,
  ): Promise<Result> {
    return this.changes.run(() => this.runInTransaction(actor, change));
  }

  /**
   * Runs a revocation, which must be repeatable. Terminates sessions that block it for more than
   * 300 ms, and retries for 1 s: docs/decisions/0034-revocation-with-a-compromised-role.md.
   */
  async revoke<Result>(
    actor: string,
    change: (change: KeyChange) => Promise<Result>,
    blockers: Blockers,
  ): Promise<Result> {
    return this.revocations.run(async () => {
      const startedAt = performance.now();
      for (;;) {
        try {
          return await this.runInTransaction(actor, (attempt, pid) =>
            this.endBlockersDuring(() => change(attempt), pid, blockers, startedAt),
          );
        } catch (error) {
          const isLate = performance.now() - startedAt > REVOCATION_TIMEOUT_MS;
          if (isLate || !wasBlocked(error)) throw error;
        }
      }
    });
  }

  private async runInTransaction<Result>(
    actor: string,
    change: (change: KeyChange, pid: number) => Promise<Result>,
  ): Promise<Result> {
    return this.prisma.$transaction(async (prisma) => {
      // The audit trigger reads the actor: prisma/migrations/*_audit_of_users
      const [{ now, pid }] = await prisma.$queryRaw<[{ now: Date; pid: number }]>`
        SELECT now() AS now, pg_backend_pid() AS pid,
          set_config('latchkey.actor', ${actor}, true), set_config('lock_timeout', ${LOCK_TIMEOUT}, true)`;
      return change({ prisma, now }, pid);
    });
  }

  private async endBlockersDuring<Result>(
    change: () => Promise<Result>,
    pid: number,
    blockers: Blockers,
    startedAt: number,
  ): Promise<Result> {
    const finished = new AbortController();
    const { signal } = finished;
    const delayMs = Math.max(0, startedAt + MAX_BLOCKED_MS - performance.now());
    const endBlockers = async () => {
      for (let pauseMs = delayMs; ; pauseMs = END_BLOCKERS_INTERVAL_MS) {
        await sleep(pauseMs, undefined, { signal });
        await blockers.end(pid);
      }
    };
    const ending = endBlockers().catch((error: unknown) => {
      if (!signal.aborted) this.logger.warn(withoutArguments(error));
    });
    try {
      return await change();
    } finally {
      finished.abort();
      // Wait for the last termination: once the session of `pid` is back in the pool, it may run
      // another change, whose blockers must not be terminated.
      await ending;
    }
  }
}

/**
 * Runs changes one after another. Otherwise, each change would occupy a connection while it waits
 * for the lock of the audit trail.
 */
class ChangeQueue {
  private latest: Promise<unknown> = Promise.resolve();
  /**
   * The number of consecutive changes that failed because the database was unavailable, and the
   * time of the latest failure (`performance.now()`).
   */
  private failures = 0;
  private failedAt = -Infinity;

  /**
   * @throws ProblemException `DATABASE_UNAVAILABLE` if the change waits too long in the queue, or
   * if preceding changes failed; the error of `change` if the change itself fails
   */
  async run<Result>(change: () => Promise<Result>): Promise<Result> {
    const queuedAt = performance.now();
    const result = this.latest.then(() => {
      // After 2 failures in a row, queued changes fail immediately. A single failure may be due to
      // a locked row.
      const hasFailed = this.failures > 1 && this.failedAt > queuedAt;
      if (hasFailed || performance.now() - queuedAt > MAX_WAIT_MS) {
        throw new ProblemException('DATABASE_UNAVAILABLE');
      }
      return change();
    });
    this.latest = result.then(
      () => (this.failures = 0),
      (error: unknown) => {
        if (!isDatabaseUnavailable(error)) return;
        this.failures += 1;
        this.failedAt = performance.now();
      },
    );
    return result;
  }
}
