import { hostname } from 'node:os';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { KeySync } from '../api-keys/key-sync/key-sync.js';
import { Alerts } from './alerts.js';

const INTERVAL_MS = 1000;
// Names the process, as operators know it.
const INSTANCE = `${hostname()}/${process.pid}`;

/** Raises an alert while this process can't verify issued keys. */
@Injectable()
export class FeedWatch implements OnModuleInit, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private wasStale = false;

  constructor(
    private readonly alerts: Alerts,
    private readonly keySync: KeySync,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => void this.run(), INTERVAL_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private async run(): Promise<void> {
    const isStale = !this.keySync.isFresh();
    if (isStale) this.alerts.raise('key-feed-stale', INSTANCE);
    const isOver = this.wasStale && !isStale;
    this.wasStale = isStale;
    if (isOver) await this.alerts.end({ rule: 'key-feed-stale', subject: INSTANCE });
  }
}
