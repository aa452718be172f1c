import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Redis } from 'ioredis';
import type { Environment } from '../config/environment.js';

const START_WAIT_MS = 1000;
const COMMAND_TIMEOUT_MS = 250;
const MAX_RETRY_DELAY_MS = 1000;
const PAUSE_MS = 1000;

/**
 * `shared`: counted for all processes; `degraded`: per process while Redis is unavailable; or per
 * process by configuration.
 */
export type Sharing = 'shared' | 'degraded' | 'per-process';

/** Redis, if `REDIS_URL` is set, for limits of all processes. Nothing fails without it. */
@Injectable()
export class SharedStore implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(SharedStore.name);
  /** Undefined without `REDIS_URL`. */
  redis: Redis | undefined;
  private readonly url: string | undefined;
  private wasUp = true;
  private isLeftAlone = false;
  /** Whether Redis last replied with an error, so that a new connection proves nothing. */
  private hasReplied = false;

  constructor(config: ConfigService<Environment, true>) {
    if (config.get('LIMITS', { infer: true }) === 'on') {
      this.url = config.get('REDIS_URL', { infer: true });
    }
  }

  get sharing(): Sharing {
    if (this.redis === undefined) return 'per-process';
    return this.isUp && this.wasUp ? 'shared' : 'degraded';
  }

  get isUp(): boolean {
    return this.redis?.status === 'ready' && !this.isLeftAlone;
  }

  async onModuleInit(): Promise<void> {
    if (this.url === undefined) return;
    // Imported here: a start without Redis does not need it.
    const { Redis } = await import('ioredis');
    this.redis = new Redis(this.url, {
      lazyConnect: true,
      // The process counts by itself instead.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: START_WAIT_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      retryStrategy: (attempt) => Math.min(attempt * 50, MAX_RETRY_DELAY_MS),
    });
    this.redis.on('ready', () => this.reportConnection());
    this.redis.on('close', () => this.report(false));
    this.redis.on('error', (error) => this.logger.debug(error.message));
    // The client reconnects.
    await this.redis.connect().catch(() => undefined);
  }

  onApplicationShutdown(): void {
    this.redis?.removeAllListeners('close').disconnect();
  }

  /** Reports a failed call: Redis is skipped for 1 s, and a hanging server until it responds. */
  reportFailure(error: unknown): void {
    if (!this.isUp) return;
    this.isLeftAlone = true;
    this.logger.debug(error);
    this.report(false);
    // A server that is full or read-only still responds, so a new connection would not help. Only a
    // successful call ends the failure.
    this.hasReplied = isReply(error);
    if (!this.hasReplied || isDemoted(error)) this.redis?.disconnect(true);
    setTimeout(() => {
      this.isLeftAlone = false;
      this.reportConnection();
    }, PAUSE_MS).unref();
  }

  reportSuccess(): void {
    this.hasReplied = false;
    this.report(true);
  }

  private reportConnection(): void {
    if (!this.hasReplied) this.report(this.isUp);
  }

  private report(isUp: boolean): void {
    if (isUp === this.wasUp) return;
    this.wasUp = isUp;
    if (isUp) this.logger.log('Redis available again: limits are shared by all processes');
    else this.logger.warn('Redis unavailable: each process counts limits by itself');
  }
}

/** Whether the server itself replied with the error. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Whether another server is in charge, which a new connection may reach under the same name. */
function isDemoted(error: unknown): boolean {
  return isReply(error) && String(error).includes('READONLY');
}
