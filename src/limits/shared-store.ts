import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Redis } from 'ioredis';
import type { z } from 'zod';
import type { Environment } from '../config/environment.js';

const CONNECT_TIMEOUT_MS = 1000;
const COMMAND_TIMEOUT_MS = 250;
const MAX_RETRY_DELAY_MS = 1000;
const PAUSE_MS = 1000;

/** Optional Redis connection (`REDIS_URL`), through which all processes count requests together. */
@Injectable()
export class SharedStore implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(SharedStore.name);
  redis: Redis | undefined;
  private readonly url: string | undefined;
  private reportedUp = true;
  private isPaused = false;
  /** Whether the last reply was an error. A new connection then does not prove that Redis works. */
  private refusesCommands = false;

  constructor(config: ConfigService<Environment, true>) {
    if (config.get('LIMITS', { infer: true }) === 'on') {
      this.url = config.get('REDIS_URL', { infer: true });
    }
  }

  /** Where requests are counted. `degraded`: per process, because Redis is unavailable. */
  get sharing(): 'shared' | 'degraded' | 'per-process' {
    if (this.redis === undefined) return 'per-process';
    return this.isUp && this.reportedUp ? 'shared' : 'degraded';
  }

  get isUp(): boolean {
    return this.redis?.status === 'ready' && !this.isPaused;
  }

  async onModuleInit(): Promise<void> {
    if (this.url === undefined) return;
    // Imported only here, because a process without `REDIS_URL` does not need it.
    const { Redis } = await import('ioredis');
    this.redis = new Redis(this.url, {
      lazyConnect: true,
      // While Redis is unavailable, commands fail immediately, and the process counts by itself.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      retryStrategy: (attempt) => Math.min(attempt * 50, MAX_RETRY_DELAY_MS),
    });
    this.redis.on('ready', () => this.reportConnection());
    this.redis.on('close', () => this.report(false));
    this.redis.on('error', (error) => this.logger.debug(error.message));
    // If this fails, ioredis tries again later.
    await this.redis.connect().catch(() => undefined);
  }

  onApplicationShutdown(): void {
    this.redis?.removeAllListeners('close').disconnect();
  }

  /** Runs a Lua script. Returns undefined if it fails: limits then use this process's counts. */
  async runScript<Reply>(
    script: string,
    keys: readonly string[],
    values: readonly (string | number)[],
    schema: z.ZodType<Reply>,
  ): Promise<Reply | undefined> {
    try {
      const reply = await this.redis?.eval(script, keys.length, ...keys, ...values);
      this.refusesCommands = false;
      this.report(true);
      return schema.parse(reply);
    } catch (error) {
      this.pauseAfter(error);
      return undefined;
    }
  }

  /** Sends no commands for 1 s. Also reconnects if Redis has not replied or is read-only. */
  private pauseAfter(error: unknown): void {
    if (!this.isUp) return;
    this.isPaused = true;
    this.logger.debug(error);
    this.report(false);
    // A server that is out of memory or read-only accepts connections, so only a successful command
    // shows that it works again.
    this.refusesCommands = error instanceof Error && error.name === 'ReplyError';
    // After a failover, a new connection to the same host name may reach a writable server.
    const isDemoted = this.refusesCommands && String(error).includes('READONLY');
    if (!this.refusesCommands || isDemoted) this.redis?.disconnect(true);
    setTimeout(() => {
      this.isPaused = false;
      this.reportConnection();
    }, PAUSE_MS).unref();
  }

  private reportConnection(): void {
    if (!this.refusesCommands) this.report(this.isUp);
  }

  private report(isUp: boolean): void {
    if (isUp === this.reportedUp) return;
    this.reportedUp = isUp;
    if (isUp) this.logger.log('Redis available again: limits are shared by all processes');
    else this.logger.warn('Redis unavailable: each process enforces limits by itself');
  }
}
