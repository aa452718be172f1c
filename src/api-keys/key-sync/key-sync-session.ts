import type { IssuedKeyCache } from '../issued-key-cache.js';
import { FeedConnection } from './feed-connection.js';
import type { Instance } from './instance.js';
import { PendingChanges } from './pending-changes.js';
import { PendingHeartbeats } from './pending-heartbeats.js';
import type { DatabaseUrls } from '../../prisma/database-urls.js';

/** The cache has every change that was committed before a moment, on the clock of `performance`. */
type ProofListener = (at: number) => void;

/** Keeps the cache as it is in the database for as long as one connection lasts. */
export class FeedSession {
  private readonly changes = new PendingChanges();
  private readonly heartbeats = new PendingHeartbeats();
  private isLoaded = false;
  private isReading = false;

  private constructor(
    private readonly connection: FeedConnection,
    private readonly cache: IssuedKeyCache,
    private readonly onProven: ProofListener,
    /** Aborted when the connection is gone. */
    readonly ended: AbortSignal,
  ) {}

  /** Connects, and listens from then on. */
  static async open(
    urls: DatabaseUrls,
    instance: Instance,
    cache: IssuedKeyCache,
    onProven: ProofListener,
  ): Promise<FeedSession> {
    let session: FeedSession | undefined;
    const end = new AbortController();
    const connection = await FeedConnection.open(urls, instance, {
      // What comes in before there is a session is read with all the rest.
      onChange: (keyId) => session?.noteChange(keyId),
      onHeartbeat: (nonce) => session?.noteHeartbeat(nonce),
      onEnd: () => end.abort(),
    });
    session = new FeedSession(connection, cache, onProven, end.signal);
    return session;
  }

  /** Reads all keys. Nothing is proven before. */
  async load(): Promise<void> {
    await this.readAll();
    this.isLoaded = true;
    await this.readChanges();
  }

  /** Records that this process is alive, and sends a heartbeat that has to come back. Answers with the database's time. */
  async sendHeartbeat(): Promise<number> {
    return this.connection.sendHeartbeat(this.heartbeats.send());
  }

  /** Reads all keys again if they are not those of the database, because a notification was lost or never sent. */
  async reconcile(): Promise<void> {
    const there = await this.connection.readFingerprint();
    const here = this.cache.fingerprint;
    if (there.count !== here.count || there.revisions !== here.revisions) await this.readAll();
  }

  /** Ends the session in order. */
  async leave(): Promise<void> {
    await this.connection.leave().catch(() => undefined);
    this.close();
  }

  close(): void {
    this.connection.close();
  }

  private noteHeartbeat(nonce: string): void {
    const sentAt = this.heartbeats.receive(nonce);
    if (sentAt === undefined) return;
    this.changes.mark(sentAt);
    void this.readChanges();
  }

  private noteChange(keyId: string): void {
    this.changes.add(keyId);
    void this.readChanges();
  }

  private async readChanges(): Promise<void> {
    if (!this.isLoaded || this.isReading) return;
    this.isReading = true;
    try {
      for (let ids = this.changes.next(); ids.length > 0; ids = this.changes.next()) {
        const keys = await this.connection.read(ids);
        this.cache.put(keys);
        this.changes.settle(ids.length);
        await this.connection.acknowledge(keys);
      }
      this.onProven(this.changes.settledMark());
    } catch {
      // The next session reads all keys.
      this.close();
    } finally {
      this.isReading = false;
    }
  }

  private async readAll(): Promise<void> {
    const seen = new Set<string>();
    for await (const keys of this.connection.readAll()) {
      this.cache.put(keys);
      for (const { id } of keys) seen.add(id);
    }
    // Those that were made meanwhile are not seen either.
    const unseen = this.cache.allBut(seen);
    if (unseen.length === 0) return;
    const existing = await this.connection.read(unseen.map(({ id }) => id));
    const digests = new Set(existing.map(({ digest }) => digest));
    for (const key of unseen.filter(({ digest }) => !digests.has(digest))) this.cache.remove(key);
  }
}
