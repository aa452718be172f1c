import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import type { Prisma } from '../generated/prisma/client.js';
import { isDatabaseUnavailable, wasBlocked, withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { ProblemException } from '../problems/problem.js';

// With the change itself, well below the silence after which a connection is closed.
const MAX_WAIT_MS = 1500;
// Below the pool's own time-outs, so that PostgreSQL says that it was a lock.
const LOCK_TIMEOUT = '500ms';
// Longest duration of other changes. A session that takes longer holds a lock that it should not hold.
const PATIENCE_WITH_BLOCKERS_MS = 300;
// Blockers come back.
const END_BLOCKERS_INTERVAL_MS = 50;
const REVOCATION_TIMEOUT_MS = 1000;

/** A change of keys in progress. */
export interface KeyChange {
  readonly prisma: Prisma.TransactionClient;
  /** The database's time, which is the same for every process. */
  readonly now: Date;
}

/** Ends the sessions that keep a session of the database waiting for locks, by the id of its server process. */
export interface Blockers {
  end(pid: number): Promise<void>;
}

/** Changes keys: all or nothing, and with the actor's name in the audit trail. */
@Injectable()
export class KeyChanges {
  private readonly logger = new Logger(KeyChanges.name);
  private readonly changes = new ChangeQueue();
  /** A revocation does not wait for other changes, which locks may keep waiting. */
  private readonly revocations = new ChangeQueue();

  constructor(private readonly prisma: PrismaService) {}

  async run<Result>(
    actor: string,
    change: (change: KeyChange) => Promise<Result>,
  ): Promise<Result> {
    return this.changes.run(() => this.carryOut(actor, change));
  }

  /**
   * Carries out a change that revokes, which must be safe to repeat. Sessions that make it wait for locks for more than 300 ms are ended,
   * and it is tried for 1 s: docs/decisions/0034-revocation-with-a-compromised-role.md.
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
      // The trigger that writes the audit trail reads the actor: prisma/migrations/*_audit_of_users
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
    const over = new AbortController();
    const delayMs = Math.max(0, startedAt + PATIENCE_WITH_BLOCKERS_MS - performance.now());
    const ending = endBlockers(pid, blockers, delayMs, over.signal).catch((error: unknown) =>
      this.logger.warn(withoutArguments(error)),
    );
    try {
      return await change();
    } finally {
      over.abort();
      // Before the connection is lent to others, whose blockers are none of ours.
      await ending;
    }
  }
}

/** Ends the blockers after a delay and then at intervals, until the signal is aborted. */
async function endBlockers(
  pid: number,
  blockers: Blockers,
  delayMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (let pauseMs = delayMs; !signal.aborted; pauseMs = END_BLOCKERS_INTERVAL_MS) {
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) await blockers.end(pid);
  }
}

/** Carries out changes one after another: the audit trail needs that anyway, and waiting here holds no connection that requests need. */
class ChangeQueue {
  private latest: Promise<unknown> = Promise.resolve();
  /** How many have failed one after another for want of the database, and when the last one did, on the clock of `performance`. */
  private failures = 0;
  private failedAt = -Infinity;

  /** @throws ProblemException `DATABASE_UNAVAILABLE` if it would have to wait too long, or what `change` throws. */
  async run<Result>(change: () => Promise<Result>): Promise<Result> {
    const askedAt = performance.now();
    const result = this.latest.then(() => {
      // Changes that waited for it would fail in the same way, one after another. A single change may have waited for a row that is locked.
      const hasFailed = this.failures > 1 && this.failedAt > askedAt;
      // The caller has given up by then.
      if (hasFailed || performance.now() - askedAt > MAX_WAIT_MS) {
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
