import { Injectable } from '@nestjs/common';
import type { Prisma } from '../generated/prisma/client.js';
import { ProblemException } from '../http/problem.js';
import { isDatabaseUnavailable } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';

// With the change itself, well below the silence after which a connection is closed.
const PATIENCE_MS = 1500;

/** A change of keys in progress. */
export interface KeyChange {
  readonly prisma: Prisma.TransactionClient;
  /** The database's time, which is the same for every process. */
  readonly now: Date;
}

/** Changes keys: all or nothing, and with the name of who does it in the audit trail. */
@Injectable()
export class KeyChanges {
  private latest: Promise<unknown> = Promise.resolve();
  /** How many have failed one after another for want of the database, and when the last one did, on the clock of `performance`. */
  private failures = 0;
  private failedAt = -Infinity;

  constructor(private readonly prisma: PrismaService) {}

  /** One after another: the audit trail has it so anyway, and waiting here holds no connection that requests need. */
  async run<Result>(
    actor: string,
    change: (change: KeyChange) => Promise<Result>,
  ): Promise<Result> {
    const askedAt = performance.now();
    const result = this.latest.then(() => {
      // Those that waited for it would fail as it did, one after another; but one alone may have waited for a row that is locked.
      const hasFailed = this.failures > 1 && this.failedAt > askedAt;
      // Whoever asked would not be there any more to hear of what was done.
      if (hasFailed || performance.now() - askedAt > PATIENCE_MS) {
        throw new ProblemException('DATABASE_UNAVAILABLE');
      }
      return this.carryOut(actor, change);
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

  private async carryOut<Result>(
    actor: string,
    change: (change: KeyChange) => Promise<Result>,
  ): Promise<Result> {
    return this.prisma.$transaction(async (prisma) => {
      // The trigger that writes the audit trail reads it: prisma/migrations/*_api_keys
      const [{ now }] = await prisma.$queryRaw<[{ now: Date }]>`
        SELECT now() AS now, set_config('latchkey.actor', ${actor}, true)`;
      return change({ prisma, now });
    });
  }
}
