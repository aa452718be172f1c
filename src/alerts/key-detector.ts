import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { Alerts } from './alerts.js';

const INTERVAL_MS = 60_000;
const MAX_KEYS = 1000;

interface DueKey {
  readonly id: string;
  readonly name: string;
  readonly expires_at: Date;
}

/** Raises alerts for keys that will end unnoticed, and for those that nobody seems to need. */
@Injectable()
export class KeyWatch implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(KeyWatch.name);
  private readonly expiryDays: number;
  private readonly unusedDays: number;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly alerts: Alerts,
    private readonly prisma: PrismaService,
    config: ConfigService<Environment, true>,
  ) {
    this.expiryDays = config.get('ALERT_KEY_EXPIRY_DAYS', { infer: true });
    this.unusedDays = config.get('ALERT_KEY_UNUSED_DAYS', { infer: true });
  }

  onModuleInit(): void {
    this.timer = setInterval(() => void this.run(), INTERVAL_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  async run(): Promise<void> {
    try {
      await this.watchExpiry();
      await this.watchUse();
    } catch (error) {
      this.logger.debug(withoutArguments(error));
    }
  }

  private async watchExpiry(): Promise<void> {
    const due = await this.prisma.$queryRaw<DueKey[]>`
      SELECT id, name, expires_at FROM api_keys
      WHERE revoked_at IS NULL AND rotated_at IS NULL
        AND expires_at > now() AND expires_at < now() + ${this.expiryDays} * interval '1 day'
      ORDER BY expires_at LIMIT ${MAX_KEYS}`;
    for (const { id, name, expires_at: expiresAt } of due) {
      this.alerts.raise('key-near-expiry', id, { name, expiresAt: expiresAt.toISOString() });
    }
    await this.alerts.end({ rule: 'key-near-expiry', unless: due.map(({ id }) => id) });
  }

  private async watchUse(): Promise<void> {
    const due = await this.prisma.$queryRaw<DueKey[]>`
      SELECT id, name, expires_at FROM api_keys LEFT JOIN api_key_uses ON key_id = id
      WHERE revoked_at IS NULL AND rotated_at IS NULL AND expires_at > now()
        AND greatest(created_at, last_used_at) < now() - ${this.unusedDays} * interval '1 day'
      ORDER BY created_at LIMIT ${MAX_KEYS}`;
    for (const { id, name } of due) {
      this.alerts.raise('key-unused', id, { name, days: this.unusedDays });
    }
    await this.alerts.end({ rule: 'key-unused', unless: due.map(({ id }) => id) });
  }
}
