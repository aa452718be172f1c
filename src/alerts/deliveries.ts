import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { withoutArguments } from '../prisma/database-error.js';
import { type Delivery, Outbox } from './outbox.js';
import { Webhook } from './webhook.js';

const INTERVAL_MS = 1000;
const FIRST_DELAY_S = 1;
const LONGEST_DELAY_S = 60;

/** Sends what is in the outbox, each alert until it is confirmed or too old. */
@Injectable()
export class Deliveries implements OnModuleInit, OnApplicationShutdown {
  /** Since the start of this process. */
  readonly counts = { delivered: 0, failed: 0, 'given-up': 0 };
  /** Alerts that are not confirmed yet, of all processes. */
  pending = 0;
  private readonly logger = new Logger(Deliveries.name);
  private readonly ending = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private isFailing = false;

  constructor(
    private readonly outbox: Outbox,
    private readonly webhook: Webhook,
  ) {}

  onModuleInit(): void {
    if (this.webhook.isSet) this.timer = setInterval(() => void this.run(), INTERVAL_MS).unref();
  }

  // What is on its way is sent again by the next process: the end does not wait for a slow receiver.
  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.ending.abort();
    await this.running;
  }

  /** Sends an alert past the outbox, for when there is no database. Answers whether it was confirmed. */
  async sendAtOnce(body: string): Promise<boolean> {
    return this.webhook.isSet && this.isConfirmed(body);
  }

  /** Sends what is due. */
  async run(): Promise<void> {
    this.running ??= this.sendDue().finally(() => {
      this.running = undefined;
    });
    await this.running;
  }

  private async sendDue(): Promise<void> {
    try {
      const due = await this.outbox.claim();
      await Promise.all(due.map((delivery) => this.deliver(delivery)));
      this.pending = await this.outbox.countPending();
    } catch (error) {
      this.logger.debug(withoutArguments(error));
    }
  }

  private async deliver({ id, body, attempts }: Delivery): Promise<void> {
    if (await this.isConfirmed(body)) {
      await this.outbox.confirm(id);
      return;
    }
    if (this.ending.signal.aborted) return;
    if (!(await this.outbox.postpone(id, delaySeconds(attempts)))) return;
    this.counts['given-up'] += 1;
    this.logger.error(`Alert ${id} was given up: its receiver has not confirmed it for days`);
  }

  private async isConfirmed(body: string): Promise<boolean> {
    try {
      await this.webhook.send(body, this.ending.signal);
      this.counts.delivered += 1;
      this.report(false, '');
      return true;
    } catch (error) {
      if (this.ending.signal.aborted) return false;
      this.counts.failed += 1;
      this.report(true, String(error));
      return false;
    }
  }

  private report(isFailing: boolean, reason: string): void {
    if (isFailing === this.isFailing) return;
    this.isFailing = isFailing;
    if (isFailing) this.logger.warn(`The receiver of alerts does not confirm them: ${reason}`);
    else this.logger.log('The receiver of alerts confirms them again');
  }
}

/** Twice as long each time, and random, so that processes that failed together don't come back together. */
function delaySeconds(attempts: number): number {
  const longest = Math.min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (attempts - 1));
  return longest * (0.5 + Math.random() / 2);
}
