import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import type { RequestLabels } from '../requests/request-event.js';
import { RequestEvents } from '../requests/request-events.js';
import { HOUR_MS } from '../time.js';
import { type UsageCount, UsageCounts } from './usage-counts.js';

const FLUSH_INTERVAL_MS = 5000;
const MAX_ROWS_PER_STATEMENT = 1000;
// About 20 MB.
const MAX_COUNTS = 50_000;
const MAX_ROWS_A_CLEANUP = 10_000;

/** The key id for requests with a missing or unknown key. */
const NO_KEY = 'none';

/**
 * Counts the requests of each key, and saves the counts every 5 s and at shutdown. It saves the
 * whole count of the hour, so that a repeated write counts nothing twice. A crash loses 5 s.
 */
@Injectable()
export class UsageRecorder implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(UsageRecorder.name);
  private readonly recorder = randomUUID();
  private readonly counts = new UsageCounts(MAX_COUNTS);
  private timer: NodeJS.Timeout | undefined;
  private flushing = Promise.resolve();
  private cleanedAt = 0;

  constructor(
    private readonly prisma: PrismaService,
    private readonly events: RequestEvents,
    private readonly config: ConfigService<Environment, true>,
  ) {}

  onModuleInit(): void {
    if (this.config.get('USAGE_RECORDING', { infer: true }) === 'off') return;
    this.events.observe((labels, events) => this.record(labels, events.length));
    this.timer = setInterval(() => void this.flush(), FLUSH_INTERVAL_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  /** Writes the changed counts. If that fails, the next flush retries. */
  async flush(): Promise<void> {
    this.flushing = this.flushing.then(() => this.write());
    await this.flushing;
  }

  private record(labels: RequestLabels, requests: number): void {
    const { keyId, method, route, outcome } = labels;
    if (outcome === null) return;
    this.counts.add({ keyId: keyId ?? NO_KEY, method, route, outcome }, requests, Date.now());
  }

  private async write(): Promise<void> {
    const lost = this.counts.takeLost();
    if (lost > 0) this.logger.warn(`${lost} requests not counted: too many unsaved counts`);
    const counts = this.counts.unwritten();
    try {
      for (let from = 0; from < counts.length; from += MAX_ROWS_PER_STATEMENT) {
        const batch = counts.slice(from, from + MAX_ROWS_PER_STATEMENT);
        await this.writeBatch(batch);
        this.counts.confirm(batch, Date.now());
      }
      await this.forgetOldHours();
    } catch (error) {
      this.logger.warn(withoutArguments(error));
    }
  }

  private async writeBatch(counts: readonly UsageCount[]): Promise<void> {
    const keys = counts.map(({ keyId }) => keyId);
    const hours = counts.map(({ hour }) => new Date(hour));
    const routes = counts.map(({ method, route }) => `${method} ${route}`);
    const outcomes = counts.map(({ outcome }) => outcome);
    const requests = counts.map((count) => count.requests);
    await this.prisma.$executeRaw`
      INSERT INTO api_key_usage AS known (key_id, hour, route, outcome, recorder, requests)
      SELECT key_id, hour, route, outcome, ${this.recorder}::uuid, requests
      FROM unnest(${keys}::text[], ${hours}::timestamptz[], ${routes}::text[], ${outcomes}::text[],
        ${requests}::int8[]) AS counted (key_id, hour, route, outcome, requests)
      ON CONFLICT (key_id, hour, route, outcome, recorder) DO UPDATE
        SET requests = greatest(known.requests, excluded.requests)`;
  }

  private async forgetOldHours(): Promise<void> {
    if (Date.now() - this.cleanedAt < HOUR_MS) return;
    // The role of this process may not delete rows.
    const [{ purged }] = await this.prisma.$queryRaw<[{ purged: number }]>`
      SELECT purge_api_key_usage(${MAX_ROWS_A_CLEANUP}::int) AS purged`;
    // The next flush deletes further rows.
    if (purged < MAX_ROWS_A_CLEANUP) this.cleanedAt = Date.now();
  }
}
