import { Injectable, Logger } from '@nestjs/common';
import type { Prisma } from '../generated/prisma/client.js';
import { wasBlocked, withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { ChangeQueue } from './change-queue.js';
import { repeatUntil } from './repeat-until.js';

// Below the pool's own time-outs, so that PostgreSQL says that it was a lock.
const LOCK_TIMEOUT = '500ms';
// What other changes may take. Longer, and a session holds a lock that it should not hold.
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
    const ending = repeatUntil(over.signal, delayMs, END_BLOCKERS_INTERVAL_MS, () =>
      blockers.end(pid),
    ).catch((error: unknown) => this.logger.warn(withoutArguments(error)));
    try {
      return await change();
    } finally {
      over.abort();
      // Before the connection is lent to others, whose blockers are none of ours.
      await ending;
    }
  }
}
