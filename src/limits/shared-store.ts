import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Redis } from 'ioredis';
import type { Environment } from '../config/environment.js';

const START_WAIT_MS = 1000;
const COMMAND_TIMEOUT_MS = 250;
const MAX_RETRY_DELAY_MS = 1000;
/** How long it is left alone after a failure. */
const PAUSE_MS = 1000;

/** Where limits are counted: for all processes together, for each by itself since the store is away, or by choice. */
export type Sharing = 'shared' | 'degraded' | 'per-process';

/** Redis, if `REDIS_URL` is set: for limits that hold for all processes together. Nothing fails when it is away. */
@Injectable()
export class SharedStore implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(SharedStore.name);
  /** Undefined without `REDIS_URL`. */
  redis: Redis | undefined;
  private readonly url: string | undefined;
  private wasUp = true;
  private isLeftAlone = false;
  /** What it said last was that something is wrong, so that a connection proves nothing. */
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
    // Loaded here, because a start without Redis would take longer for nothing.
    const { Redis } = await import('ioredis');
    this.redis = new Redis(this.url, {
      lazyConnect: true,
      // What can't be counted there now is counted here.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: START_WAIT_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      retryStrategy: (attempt) => Math.min(attempt * 50, MAX_RETRY_DELAY_MS),
    });
    this.redis.on('ready', () => this.reportConnection());
    this.redis.on('close', () => this.report(false));
    this.redis.on('error', (error) => this.logger.debug(error.message));
    // It tries again by itself.
    await this.redis.connect().catch(() => undefined);
  }

  onApplicationShutdown(): void {
    this.redis?.removeAllListeners('close').disconnect();
  }

  /** For whoever got no good answer: the server is left for a second, and one that hangs until it answers again. */
  reportFailure(error: unknown): void {
    if (!this.isUp) return;
    this.isLeftAlone = true;
    this.logger.debug(error);
    this.report(false);
    // One that is full or does not write answers all the same: a new connection would be refused as well, and only a good answer
    // tells that it is over.
    this.hasReplied = isReply(error);
    if (!this.hasReplied || isDemoted(error)) this.redis?.disconnect(true);
    setTimeout(() => {
      this.isLeftAlone = false;
      this.reportConnection();
    }, PAUSE_MS).unref();
  }

  /** For whoever got a good answer. */
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
    if (isUp) this.logger.log('Redis answers again: limits hold for all processes together');
    else this.logger.warn('Redis is away: each process counts limits by itself');
  }
}

/** Whether the server itself has said what is wrong. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Whether another server is the one to ask, which a new connection may find behind the same name. */
function isDemoted(error: unknown): boolean {
  return isReply(error) && String(error).includes('READONLY');
}
