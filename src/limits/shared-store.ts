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
  /** The last reply was an error, so an open connection proves nothing. */
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
      // Requests that Redis cannot count now are counted here.
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

  /** Call it after a failure: the server is left alone for a second, or until it answers again if it hangs. */
  reportFailure(error: unknown): void {
    if (!this.isUp) return;
    this.isLeftAlone = true;
    this.logger.debug(error);
    this.report(false);
    // A server that is full or read-only still answers. It would refuse a new connection as well, and only a good answer
    // tells that it is over.
    this.hasReplied = isReply(error);
    if (!this.hasReplied || isDemoted(error)) this.redis?.disconnect(true);
    setTimeout(() => {
      this.isLeftAlone = false;
      this.reportConnection();
    }, PAUSE_MS).unref();
  }

  /** Call it after a success. */
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
