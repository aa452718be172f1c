import { setTimeout as sleep } from 'node:timers/promises';
import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConnectionError, PooledSessionError } from '../../prisma/connection-error.js';
import { DatabaseUrls } from '../../prisma/database-urls.js';
import { IssuedKeyCache } from '../issued-key-cache.js';
import { DatabaseClock } from './database-clock.js';
import { FeedSession } from './feed-session.js';
import { Instance } from './instance.js';
import { MessageAuthenticator } from './message-authenticator.js';

const HEARTBEAT_INTERVAL_MS = 500;
const HEARTBEATS_BETWEEN_RECONCILIATIONS = 20;
const RECONNECT_DELAY_MS = 250;
/**
 * How long the feed may be silent before issued keys are refused: a revocation is in force everywhere after this time,
 * even where it could not be delivered.
 */
export const STALE_AFTER_MS = 5000;

/**
 * Keeps the cache of issued keys as it is in the database: reads all keys at the start, listens to changes, proves every
 * half second that it still hears, and compares the whole now and then. It connects again by itself.
 */
@Injectable()
export class KeyFeed implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly clock = new DatabaseClock();
  private readonly logger = new Logger(KeyFeed.name);
  private readonly instance: Instance;
  private running: Promise<void> | undefined;
  /** When the last heartbeat was sent that proved the cache to be complete. */
  private provenAt = -Infinity;
  private readonly stop = new AbortController();
  private wasFresh: boolean | undefined;

  constructor(
    private readonly cache: IssuedKeyCache,
    authenticator: MessageAuthenticator,
    private readonly urls: DatabaseUrls,
  ) {
    this.instance = new Instance(authenticator);
  }

  // Awaited, so that a process that listens has the keys, unless there is no database.
  async onApplicationBootstrap(): Promise<void> {
    this.running = this.run(await this.connect());
  }

  // Not before: until then requests in flight still need it.
  async onApplicationShutdown(): Promise<void> {
    this.stop.abort();
    await this.running;
  }

  /** Whether the cache can be trusted: no change of more than `STALE_AFTER_MS` ago is missing from it. */
  isFresh(): boolean {
    return this.lagMs < STALE_AFTER_MS;
  }

  /** Milliseconds since the last moment at which every change was known to be here. */
  get lagMs(): number {
    return performance.now() - this.provenAt;
  }

  /** One session after another: the end of one, for whatever cause, is where this function goes on. */
  private async run(first: FeedSession | undefined): Promise<void> {
    let session = first;
    for (;;) {
      if (session) await this.follow(session);
      if (this.stop.signal.aborted) break;
      // Random, so that processes that lost the database together don't come back together.
      await pause(RECONNECT_DELAY_MS * (1 + Math.random()), this.stop.signal);
      session = await this.connect();
    }
    await session?.leave();
  }

  private async connect(): Promise<FeedSession | undefined> {
    let session: FeedSession | undefined;
    try {
      session = await FeedSession.open(this.urls, this.instance, this.cache, (at) =>
        this.noteProof(at),
      );
      // Before the reading, so that a change from now on waits for this process.
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

  /** Ends with the session or the process. */
  private async follow(session: FeedSession): Promise<void> {
    const over = AbortSignal.any([session.ended, this.stop.signal]);
    try {
      for (let sent = 1; !this.stop.signal.aborted; sent++) {
        await this.sendHeartbeat(session);
        if (sent % HEARTBEATS_BETWEEN_RECONCILIATIONS === 0) await session.reconcile();
        await pause(HEARTBEAT_INTERVAL_MS, over);
      }
    } catch (error) {
      this.report(error);
      session.close();
    }
  }

  private async sendHeartbeat(session: FeedSession): Promise<void> {
    const askedAt = performance.now();
    this.clock.set(await session.sendHeartbeat(), askedAt);
  }

  private noteProof(at: number): void {
    this.provenAt = Math.max(this.provenAt, at);
    this.report();
  }

  private report(error?: unknown): void {
    const isFresh = this.isFresh();
    if (isFresh === this.wasFresh) return;
    this.wasFresh = isFresh;
    if (isFresh) this.logger.log('The keys are those of the database');
    else {
      const cause = error instanceof ConnectionError ? 'no connection' : String(error);
      this.logger.error(`Issued keys are refused: key synchronization is interrupted (${cause})`);
    }
  }
}

/** Ends at once when the signal says that there is nothing more to wait for. */
async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  await sleep(delayMs, undefined, { ref: false, signal }).catch(() => undefined);
}
