import { Injectable } from '@nestjs/common';
import { PrismaService } from '../prisma/prisma.service.js';

const MAX_CLAIMED = 10;
/** How long a claimed alert is nobody else's: more than sending it may take. */
const CLAIM_SECONDS = 10;
const GIVE_UP_AFTER_DAYS = 3;

export interface Delivery {
  readonly id: string;
  readonly body: string;
  /** This one included. */
  readonly attempts: number;
}

/** Alerts that are still to be delivered, in the database: neither a crash nor a restart loses one. */
@Injectable()
export class Outbox {
  constructor(private readonly prisma: PrismaService) {}

  /**
   * Takes alerts that are due, oldest first, so that no other process sends them too. If nobody settles them, because
   * this process was killed, they are due again after `CLAIM_SECONDS`.
   */
  async claim(): Promise<Delivery[]> {
    const claimed = await this.prisma.$queryRaw<Delivery[]>`
      WITH due AS (
        SELECT id FROM alert_outbox WHERE next_attempt_at <= now() AND delivered_at IS NULL AND gave_up_at IS NULL
        ORDER BY created_at LIMIT ${MAX_CLAIMED} FOR UPDATE SKIP LOCKED
      )
      UPDATE alert_outbox SET attempts = attempts + 1, next_attempt_at = now() + ${CLAIM_SECONDS} * interval '1 second'
      FROM due WHERE alert_outbox.id = due.id
      RETURNING alert_outbox.id::text, body, attempts`;
    return claimed;
  }

  /** Notes that the receiver has confirmed an alert, which is evidence and so is kept. */
  async confirm(id: string): Promise<void> {
    // A release that does not know of `delivered_at` goes by the time of the next attempt.
    await this.prisma.$executeRaw`
      UPDATE alert_outbox SET delivered_at = now(), next_attempt_at = 'infinity' WHERE id = ${id}::uuid`;
  }

  /** An alert has not been confirmed. Answers whether it was given up, being too old. */
  async postpone(id: string, seconds: number): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<{ given_up: boolean }[]>`
      UPDATE alert_outbox SET next_attempt_at = now() + ${seconds} * interval '1 second',
        gave_up_at = CASE WHEN created_at < now() - ${GIVE_UP_AFTER_DAYS} * interval '1 day' THEN now() END
      WHERE id = ${id}::uuid
      RETURNING gave_up_at IS NOT NULL AS given_up`;
    return rows.some((row) => row.given_up);
  }

  async countPending(): Promise<number> {
    return this.prisma.alertDelivery.count({ where: { deliveredAt: null, gaveUpAt: null } });
  }
}
