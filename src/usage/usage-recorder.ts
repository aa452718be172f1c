import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { KeySync } from '../api-keys/key-sync/key-sync.js';
import type { Environment } from '../config/environment.js';
import { withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import {
  type AttemptOutcome,
  KEY_REFUSALS,
  type RequestLabels,
} from '../requests/request-event.js';
import { RequestEvents } from '../requests/request-events.js';
import { HOUR_MS } from '../time.js';
import { UsageCounts } from './usage-counts.js';

const FLUSH_INTERVAL_MS = 5000;
const MAX_ROWS_PER_STATEMENT = 1000;
// Bounds the memory of the counts to about 20 MB.
const MAX_COUNTS = 50_000;
const MAX_ROWS_PER_PURGE = 10_000;
/** The key id for requests with a missing or unknown key. */
const NO_KEY = 'none';
// A request with one of these outcomes does not count as a use of its key.
const REFUSALS: ReadonlySet<AttemptOutcome> = new Set([...KEY_REFUSALS, 'unverifiable']);

interface LastUse {
  readonly keyId: string;
  readonly at: Date;
  readonly source: string;
  readonly client: string | null;
}

/**
 * Counts the requests of each key and records its last use. Saves these data every 5 s and at
 * shutdown, so that no request waits for a write. A crash loses the data of at most 5 s. Saves
 * totals rather than increments, so that a repeated write counts nothing twice.
 */
@Injectable()
export class UsageRecorder implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(UsageRecorder.name);
  private readonly isCounting: boolean;
  private readonly recorder = randomUUID();
  private readonly counts = new UsageCounts(MAX_COUNTS);
  private lastUses = new Map<string, LastUse>();
  private timer: NodeJS.Timeout | undefined;
  private flushing = Promise.resolve();
  private purgedAt = 0;

  constructor(
    private readonly prisma: PrismaService,
    private readonly events: RequestEvents,
    /** Provides the database's time for last uses, because SQL compares them with `now()`. */
    private readonly keySync: KeySync,
    config: ConfigService<Environment, true>,
  ) {
    this.isCounting = config.get('USAGE_RECORDING', { infer: true }) === 'on';
  }

  onModuleInit(): void {
    this.events.observe((labels, events) => this.record(labels, events.length));
    this.timer = setInterval(() => void this.flush(), FLUSH_INTERVAL_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  /** Saves the changed counts and last uses. If that fails, the next flush retries. */
  async flush(): Promise<void> {
    this.flushing = this.flushing.then(() => this.save());
    await this.flushing;
  }

  private async save(): Promise<void> {
    const report = (error: unknown) => this.logger.warn(withoutArguments(error));
    await this.saveLastUses().catch(report);
    await this.saveCounts().catch(report);
  }

  private record(labels: RequestLabels, requests: number): void {
    const { keyId, outcome, source, client } = labels;
    if (outcome === null) return;
    if (keyId !== null && !REFUSALS.has(outcome)) {
      this.lastUses.set(keyId, { keyId, at: new Date(this.keySync.now()), source, client });
    }
    if (!this.isCounting) return;
    const route = `${labels.method} ${labels.route}`;
    this.counts.add({ keyId: keyId ?? NO_KEY, route, outcome }, requests, Date.now());
  }

  private async saveLastUses(): Promise<void> {
    // Sorted, so that all processes lock the rows in the same order and do not deadlock.
    const uses = [...this.lastUses.values()].toSorted((a, b) => (a.keyId < b.keyId ? -1 : 1));
    for (const batch of batchesOf(uses)) {
      await this.prisma.$executeRaw`
        INSERT INTO api_key_uses (key_id, last_used_at, source, client_name)
        SELECT * FROM json_to_recordset(${JSON.stringify(batch)}::json)
          AS used ("keyId" text, at timestamptz, source text, client text)
        ON CONFLICT (key_id) DO UPDATE
          SET last_used_at = excluded.last_used_at, source = excluded.source, client_name = excluded.client_name
          WHERE excluded.last_used_at > api_key_uses.last_used_at`;
      const saved = new Set(batch);
      // Keeps the last uses that were recorded while the statement ran.
      this.lastUses = new Map([...this.lastUses].filter(([, use]) => !saved.has(use)));
    }
  }

  private async saveCounts(): Promise<void> {
    const lost = this.counts.takeLost();
    if (lost > 0)
      this.logger.warn(
        `${lost} requests were not counted in api_key_usage: the limit of ${MAX_COUNTS} unsaved counts was reached`,
      );
    for (const batch of batchesOf(this.counts.unwritten())) {
      await this.prisma.$executeRaw`
        INSERT INTO api_key_usage AS known (key_id, hour, route, outcome, recorder, requests)
        SELECT "keyId", to_timestamp(hour / 1000), route, outcome, ${this.recorder}::uuid, requests
        FROM json_to_recordset(${JSON.stringify(batch)}::json)
          AS counted ("keyId" text, hour int8, route text, outcome text, requests int8)
        ON CONFLICT (key_id, hour, route, outcome, recorder) DO UPDATE
          SET requests = greatest(known.requests, excluded.requests)`;
      this.counts.confirm(batch, Date.now());
    }
    await this.purgeOldHours();
  }

  private async purgeOldHours(): Promise<void> {
    if (Date.now() - this.purgedAt < HOUR_MS) return;
    // This SQL function has the table owner's rights, because the run-time role cannot delete rows.
    const [{ purged }] = await this.prisma.$queryRaw<[{ purged: number }]>`
      SELECT purge_api_key_usage(${MAX_ROWS_PER_PURGE}::int) AS purged`;
    // If this purge deleted the maximum number of rows, the next flush continues.
    if (purged < MAX_ROWS_PER_PURGE) this.purgedAt = Date.now();
  }
}

function* batchesOf<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let from = 0; from < items.length; from += MAX_ROWS_PER_STATEMENT) {
    yield items.slice(from, from + MAX_ROWS_PER_STATEMENT);
  }
}
