import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import type { Prisma } from '../generated/prisma/client.js';
import { isDatabaseUnavailable, wasBlocked, withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { ProblemException } from '../problems/problem.js';

// With the change itself, well below the interval after which a silent connection is closed.
const MAX_WAIT_MS = 1500;
// Below the pool's time-outs, so that PostgreSQL reports a lock time-out.
const LOCK_TIMEOUT = '500ms';
// The time for other changes. A session that holds a lock for longer blocks revocations.
const PATIENCE_WITH_BLOCKERS_MS = 300;
// Blocking sessions may reconnect.
const END_BLOCKERS_INTERVAL_MS = 50;
const REVOCATION_TIMEOUT_MS = 1000;

/** A change of keys inside a transaction. */
export interface KeyChange {
  readonly prisma: Prisma.TransactionClient;
  /** The database's time, the same for every process. */
  readonly now: Date;
}

/** Ends the sessions that block a session, given by its server process id. */
export interface Blockers {
  end(pid: number): Promise<void>;
}

/** Changes keys in a transaction that names the actor for the audit trail. */
@Injectable()
export class KeyChanges {
  private readonly logger = new Logger(KeyChanges.name);
  private readonly changes = new ChangeQueue();
  /** Revocations bypass the queue, because locks may hold up other changes. */
  private readonly revocations = new ChangeQueue();

  constructor(private readonly prisma: PrismaService) {}

  async run<Result>(
    actor: string,
    change: (change: KeyChange) => Promise<Result>,
  ): Promise<Result> {
    return this.changes.run(() => this.carryOut(actor, change));
  }

  /**
   * Runs a change that revokes, which must be repeatable. Ends sessions that block it for more than
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
          return await this.carryOut(actor, (attempt, pid) =>
            this.endBlockersDuring(() => change(attempt), pid, blockers, startedAt),
          );
        } catch (error) {
          const isLate = performance.now() - startedAt > REVOCATION_TIMEOUT_MS;
          if (isLate || !wasBlocked(error)) throw error;
        }
      }
    });
  }

  private async carryOut<Result>(
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
    const delayMs = Math.max(0, startedAt + PATIENCE_WITH_BLOCKERS_MS - performance.now());
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
      // Before the connection returns to the pool, whose other sessions are not concerned.
      await ending;
    }
  }
}

/**
 * Runs changes one after another, as the audit trail requires. Waiting here occupies no connection.
 */
class ChangeQueue {
  private latest: Promise<unknown> = Promise.resolve();
  /**
   * Consecutive failures because of the database, and the time of the latest (`performance.now()`).
   */
  private failures = 0;
  private failedAt = -Infinity;

  /**
   * @throws ProblemException `DATABASE_UNAVAILABLE` if it waits too long, or the error of `change`
   */
  async run<Result>(change: () => Promise<Result>): Promise<Result> {
    const queuedAt = performance.now();
    const result = this.latest.then(() => {
      // Fail queued changes at once after repeated failures. One failure may be one locked row.
      const hasFailed = this.failures > 1 && this.failedAt > queuedAt;
      // The caller has timed out by then.
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
