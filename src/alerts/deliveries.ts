import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { Webhook } from './webhook.js';

const INTERVAL_MS = 1000;
const FIRST_DELAY_S = 1;
const MAX_DELAY_S = 60;
const MAX_CLAIMED = 10;
// Longer than a delivery, which times out after 5 s.
const CLAIM_SECONDS = 10;
const GIVE_UP_AFTER_DAYS = 3;

interface Delivery {
  readonly id: string;
  readonly body: string;
  /** The number of attempts, including the current one. */
  readonly attempts: number;
}

/**
 * Sends the alerts in the outbox. Retries each alert until the receiver confirms it, for up to 3
 * days. The outbox is a table, so neither a crash nor a restart loses an alert.
 */
@Injectable()
export class Deliveries implements OnModuleInit, OnApplicationShutdown {
  /** Successful attempts, failed attempts, and alerts given up since this process started. */
  readonly counts = { delivered: 0, failed: 0, 'given-up': 0 };
  /** Number of unconfirmed alerts of all processes. */
  pending = 0;
  private readonly logger = new Logger(Deliveries.name);
  private readonly shutdown = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private isFailing = false;

  constructor(
    private readonly prisma: PrismaService,
    private readonly webhook: Webhook,
  ) {}

  onModuleInit(): void {
    if (this.webhook.isSet) this.timer = setInterval(() => void this.run(), INTERVAL_MS).unref();
  }

  // Does not wait for a slow receiver, because another process sends unconfirmed alerts again.
  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.shutdown.abort();
    await this.running;
  }

  /**
   * Sends an alert without the outbox, for use while the database is unavailable. Returns whether
   * the receiver confirmed it.
   */
  async sendWithoutOutbox(body: string): Promise<boolean> {
    return this.webhook.isSet && this.send(body);
  }

  async run(): Promise<void> {
    this.running ??= this.sendDue().finally(() => (this.running = undefined));
    await this.running;
  }

  private async sendDue(): Promise<void> {
    try {
      const due = await this.claim();
      await Promise.all(due.map((delivery) => this.deliver(delivery)));
      const where = { deliveredAt: null, gaveUpAt: null };
      this.pending = await this.prisma.alertDelivery.count({ where });
    } catch (error) {
      this.logger.debug(withoutArguments(error));
    }
  }

  /** Claims due alerts, oldest first. If this process dies, they are due again after 10 s. */
  private async claim(): Promise<Delivery[]> {
    return this.prisma.$queryRaw<Delivery[]>`
      WITH due AS (
        SELECT id FROM alert_outbox WHERE next_attempt_at <= now() AND delivered_at IS NULL AND gave_up_at IS NULL
        ORDER BY created_at LIMIT ${MAX_CLAIMED} FOR UPDATE SKIP LOCKED
      )
      UPDATE alert_outbox SET attempts = attempts + 1, next_attempt_at = now() + ${CLAIM_SECONDS} * interval '1 second'
      FROM due WHERE alert_outbox.id = due.id
      RETURNING alert_outbox.id::text, body, attempts`;
  }

  private async deliver({ id, body, attempts }: Delivery): Promise<void> {
    if (await this.send(body)) {
      // Earlier releases ignore `delivered_at`, so `infinity` keeps them from resending the alert.
      await this.prisma.$executeRaw`
        UPDATE alert_outbox SET delivered_at = now(), next_attempt_at = 'infinity' WHERE id = ${id}::uuid`;
    } else if (!this.shutdown.signal.aborted) await this.postpone(id, delaySeconds(attempts));
  }

  private async postpone(id: string, seconds: number): Promise<void> {
    const rows = await this.prisma.$queryRaw<{ given_up: boolean }[]>`
      UPDATE alert_outbox SET next_attempt_at = now() + ${seconds} * interval '1 second',
        gave_up_at = CASE WHEN created_at < now() - ${GIVE_UP_AFTER_DAYS} * interval '1 day' THEN now() END
      WHERE id = ${id}::uuid
      RETURNING gave_up_at IS NOT NULL AS given_up`;
    if (!rows.some((row) => row.given_up)) return;
    this.counts['given-up'] += 1;
    this.logger.error(`Gave up on alert ${id}: not delivered within ${GIVE_UP_AFTER_DAYS} days`);
  }

  private async send(body: string): Promise<boolean> {
    try {
      await this.webhook.send(body, this.shutdown.signal);
      this.counts.delivered += 1;
      this.report(false, '');
      return true;
    } catch (error) {
      if (this.shutdown.signal.aborted) return false;
      this.counts.failed += 1;
      this.report(true, String(error));
      return false;
    }
  }

  private report(isFailing: boolean, reason: string): void {
    if (isFailing === this.isFailing) return;
    this.isFailing = isFailing;
    if (isFailing) this.logger.warn(`Alert delivery fails: ${reason}`);
    else this.logger.log('Alert delivery works again');
  }
}

/** Exponential backoff. With jitter, processes that failed together retry at different times. */
function delaySeconds(attempts: number): number {
  const longest = Math.min(MAX_DELAY_S, FIRST_DELAY_S * 2 ** (attempts - 1));
  return longest * (0.5 + Math.random() / 2);
}
