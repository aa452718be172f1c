import { setTimeout as sleep } from 'node:timers/promises';
import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../../config/environment.js';
import { ConnectionError, PooledSessionError } from '../../prisma/connection-error.js';
import { DatabaseUrls } from '../../prisma/database-urls.js';
import { OUTDATED_SCHEMA, isSchemaOutdated } from '../../prisma/database-error.js';
import { IssuedKeyCache } from '../issued-key-cache.js';
import { Instance } from './instance.js';
import { KeySyncSession } from './key-sync-session.js';
import { MessageAuthenticator } from './message-authenticator.js';

const HEARTBEAT_INTERVAL_MS = 500;
const HEARTBEATS_BETWEEN_RECONCILIATIONS = 20;
const RECONNECT_DELAY_MS = 250;
/**
 * How long the cache may be out of sync before issued keys are refused. After this time, a
 * revocation is in force on every instance, even if its notification did not arrive.
 */
export const STALE_AFTER_MS = 5000;

/**
 * Keeps the cache of issued keys in sync with the database: reads all keys at start, listens to
 * changes, sends a heartbeat every 0.5 s, checks the cache every 10 s, and reconnects.
 */
@Injectable()
export class KeySync implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(KeySync.name);
  private readonly instance: Instance;
  private running: Promise<void> | undefined;
  /** The send time of the latest heartbeat that this process has received. */
  private syncedAt = -Infinity;
  // Follows the local clock until the first heartbeat. No issued key is admitted before then.
  private clockOffset = Date.now() - performance.now();
  private readonly stop = new AbortController();
  private wasFresh: boolean | undefined;

  constructor(
    private readonly cache: IssuedKeyCache,
    authenticator: MessageAuthenticator,
    private readonly urls: DatabaseUrls,
    config: ConfigService<Environment, true>,
  ) {
    const keyEnvironment = config.get('API_KEY_ENVIRONMENT', { infer: true });
    this.instance = new Instance(authenticator, keyEnvironment);
  }

  // Nest opens the port only after this hook. If the database is available, the cache is complete
  // by then.
  async onApplicationBootstrap(): Promise<void> {
    const session = await this.connect();
    this.running = this.run(session);
  }

  // Stops in the last shutdown hook, because in-flight requests need current keys.
  async onApplicationShutdown(): Promise<void> {
    this.stop.abort();
    await this.running;
  }

  /**
   * The database's time in milliseconds since the epoch, so that a key expires at the same time for
   * all processes. Between heartbeats, this time follows the monotonic clock.
   */
  now(): number {
    return performance.now() + this.clockOffset;
  }

  /** Whether the cache has all changes that are older than `STALE_AFTER_MS`. */
  isFresh(): boolean {
    return this.lagMs < STALE_AFTER_MS;
  }

  /** Milliseconds since the cache was last known to be complete. */
  get lagMs(): number {
    return performance.now() - this.syncedAt;
  }

  private async run(first: KeySyncSession | undefined): Promise<void> {
    let session = first;
    for (;;) {
      if (session) await this.follow(session);
      if (this.stop.signal.aborted) break;
      // Random, so that processes do not reconnect at the same moment.
      await pause(RECONNECT_DELAY_MS * (1 + Math.random()), this.stop.signal);
      session = await this.connect();
    }
    await session?.leave();
  }

  private async connect(): Promise<KeySyncSession | undefined> {
    let session: KeySyncSession | undefined;
    try {
      session = new KeySyncSession(this.urls, this.instance, this.cache, (at) => {
        this.syncedAt = Math.max(this.syncedAt, at);
        this.report();
      });
      await session.open();
      // Registers this instance before it reads the keys, so that every later change waits until
      // this instance has applied it.
      await this.sendHeartbeat(session);
      await session.load();
      return session;
    } catch (error) {
      session?.close();
      if (this.running === undefined && error instanceof PooledSessionError) throw error;
      this.report(error);
      return undefined;
    }
  }

  private async follow(session: KeySyncSession): Promise<void> {
    const interruption = AbortSignal.any([session.ended, this.stop.signal]);
    try {
      for (let sent = 1; !this.stop.signal.aborted; sent++) {
        await this.sendHeartbeat(session);
        if (sent % HEARTBEATS_BETWEEN_RECONCILIATIONS === 0) await session.reconcile();
        await pause(HEARTBEAT_INTERVAL_MS, interruption);
      }
    } catch (error) {
      this.report(error);
      session.close();
    }
  }

  private async sendHeartbeat(session: KeySyncSession): Promise<void> {
    const sentAt = performance.now();
    // Using the send time makes this clock run ahead by the latency, so keys never expire late.
    this.clockOffset = (await session.sendHeartbeat()) - sentAt;
  }

  private report(error?: unknown): void {
    const isFresh = this.isFresh();
    if (isFresh === this.wasFresh) return;
    this.wasFresh = isFresh;
    if (isFresh) {
      this.logger.log('API key cache in sync');
      return;
    }
    const cause = describeCause(error);
    this.logger.error(`Issued keys are refused: key synchronization is interrupted (${cause})`);
  }
}

function describeCause(error: unknown): string {
  if (error instanceof ConnectionError) return 'no connection to the database';
  return isSchemaOutdated(error) ? OUTDATED_SCHEMA : String(error);
}

async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  await sleep(delayMs, undefined, { ref: false, signal }).catch(() => undefined);
}
