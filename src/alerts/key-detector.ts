import { hostname } from 'node:os';
import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { KeySync } from '../api-keys/key-sync/key-sync.js';
import type { Environment } from '../config/environment.js';
import { Prisma } from '../generated/prisma/client.js';
import { withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import type { AlertDetails, AlertRule } from './alert.js';
import { Alerts } from './alerts.js';

const SYNC_INTERVAL_MS = 1000;
const KEYS_INTERVAL_MS = 60_000;
const MAX_KEYS = 1000;
// Host name and process id, by which operators find this process.
const INSTANCE = `${hostname()}/${process.pid}`;

interface DueKey {
  readonly id: string;
  readonly name: string;
  readonly expires_at: Date;
}

/** Raises alerts about expiring keys, unused keys, and a stale key sync of this process. */
@Injectable()
export class KeyDetector implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(KeyDetector.name);
  private readonly expiryDays: number;
  private readonly unusedDays: number;
  private timers: NodeJS.Timeout[] = [];
  private wasStale = false;

  constructor(
    private readonly alerts: Alerts,
    private readonly keySync: KeySync,
    private readonly prisma: PrismaService,
    config: ConfigService<Environment, true>,
  ) {
    this.expiryDays = config.get('ALERT_KEY_EXPIRY_DAYS', { infer: true });
    this.unusedDays = config.get('ALERT_KEY_UNUSED_DAYS', { infer: true });
  }

  onModuleInit(): void {
    this.timers = [
      setInterval(() => void this.detectStaleSync(), SYNC_INTERVAL_MS).unref(),
      setInterval(() => void this.run(), KEYS_INTERVAL_MS).unref(),
    ];
  }

  onModuleDestroy(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  async run(): Promise<void> {
    try {
      await this.detect(
        'key-near-expiry',
        Prisma.sql`expires_at < now() + ${this.expiryDays} * interval '1 day'`,
        ({ name, expires_at: expiresAt }) => ({ name, expiresAt: expiresAt.toISOString() }),
      );
      await this.detect(
        'key-unused',
        Prisma.sql`greatest(created_at, last_used_at) < now() - ${this.unusedDays} * interval '1 day'`,
        ({ name }) => ({ name, days: this.unusedDays }),
      );
    } catch (error) {
      this.logger.debug(withoutArguments(error));
    }
  }

  private async detectStaleSync(): Promise<void> {
    const isStale = !this.keySync.isFresh();
    if (isStale) this.alerts.raise('key-sync-stale', INSTANCE);
    const isOver = this.wasStale && !isStale;
    this.wasStale = isStale;
    if (isOver) await this.alerts.end({ rule: 'key-sync-stale', subject: INSTANCE });
  }

  private async detect(
    rule: AlertRule,
    condition: Prisma.Sql,
    detailsOf: (key: DueKey) => AlertDetails,
  ): Promise<void> {
    const due = await this.prisma.$queryRaw<DueKey[]>`
      SELECT id, name, expires_at FROM api_keys LEFT JOIN api_key_uses ON key_id = id
      WHERE revoked_at IS NULL AND rotated_at IS NULL AND expires_at > now() AND ${condition}
      ORDER BY expires_at LIMIT ${MAX_KEYS}`;
    for (const key of due) this.alerts.raise(rule, key.id, detailsOf(key));
    await this.alerts.end({ rule, exceptSubjects: due.map(({ id }) => id) });
  }
}
