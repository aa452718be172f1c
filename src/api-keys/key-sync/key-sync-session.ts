import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { DatabaseUrls } from '../../prisma/database-urls.js';
import type { IssuedKey, IssuedKeyCache } from '../issued-key-cache.js';
import type { Instance } from './instance.js';
import { ISSUED_KEY_COLUMNS, IssuedKeyReader, type IssuedKeyRow } from './issued-key-rows.js';
import { ListeningClient } from './listening-client.js';
import { NotificationQueue } from './notification-queue.js';

/** The channel on which a trigger of the table `api_keys` sends the ids of changed keys. */
export const CHANGES_CHANNEL = 'latchkey_api_keys';
/** The channel on which instances acknowledge a change of a key. */
export const ACKNOWLEDGEMENTS_CHANNEL = 'latchkey_key_acknowledgements';

const PAGE_SIZE = 5000;

const fingerprintRows = z.tuple([
  z.object({ count: z.int(), revisions: z.string().transform(BigInt) }),
]);
const heartbeatRows = z.tuple([z.object({ now: z.number() })]);

/** Keeps the cache in sync with the database over one connection. */
export class KeySyncSession {
  private readonly end = new AbortController();
  /** Aborted when the connection is gone. */
  readonly ended = this.end.signal;
  private readonly client: ListeningClient;
  private readonly reader = new IssuedKeyReader();
  private readonly notifications = new NotificationQueue();
  // A channel of this session only, on which no heartbeats of other processes arrive.
  private readonly heartbeatChannel = `latchkey_heartbeat_${randomBytes(8).toString('hex')}`;
  private isLoaded = false;
  private isReading = false;

  /** @param onSynced called when the cache contains all changes up to `at` (monotonic ms) */
  constructor(
    urls: DatabaseUrls,
    private readonly instance: Instance,
    private readonly cache: IssuedKeyCache,
    private readonly onSynced: (at: number) => void,
  ) {
    // `ApiKeysService.requireMatchingServer` reads the key environment from this name.
    const applicationName = `latchkey-key-sync ${instance.id} ${instance.keyEnvironment}`;
    this.client = new ListeningClient(urls, applicationName, {
      onNotification: (channel, payload) => {
        if (channel === CHANGES_CHANNEL) this.notifications.addChange(payload);
        else this.notifications.addHeartbeat(payload);
        void this.readChanges();
      },
      onEnd: () => this.end.abort(),
    });
  }

  async open(): Promise<void> {
    await this.client.listen([CHANGES_CHANNEL, this.heartbeatChannel]);
  }

  /** Reads all keys. `onSynced` is called only afterwards. */
  async load(): Promise<void> {
    await this.readAll();
    this.isLoaded = true;
    await this.readChanges();
  }

  /**
   * Records that this instance is alive, and sends this session a heartbeat. The heartbeat arrives
   * after the notifications of all earlier commits.
   * @returns the database's time (ms since the epoch)
   */
  async sendHeartbeat(): Promise<number> {
    const { id, secret, proof } = this.instance;
    const rows = await this.client.query(
      `SELECT (extract(epoch FROM record_heartbeat($1, $2, $3)) * 1000)::float8 AS now, pg_notify($4, $5)`,
      [id, secret, proof, this.heartbeatChannel, this.notifications.createHeartbeat()],
    );
    return heartbeatRows.parse(rows)[0].now;
  }

  /**
   * Reads all keys again if the cache differs from the table, because a notification may have been
   * lost or never sent.
   */
  async reconcile(): Promise<void> {
    const rows = await this.client.query(
      'SELECT count(*)::int AS count, coalesce(sum(revision), 0)::text AS revisions FROM api_keys',
    );
    const [table] = fingerprintRows.parse(rows);
    const cache = this.cache.fingerprint;
    if (table.count !== cache.count || table.revisions !== cache.revisions) await this.readAll();
  }

  /** Unregisters this instance, so that no change waits for it. Closes the connection. */
  async leave(): Promise<void> {
    const { id, secret } = this.instance;
    await this.client.query('SELECT remove_instance($1, $2)', [id, secret]).catch(() => undefined);
    this.close();
  }

  close(): void {
    this.client.close();
  }

  private async readChanges(): Promise<void> {
    if (!this.isLoaded || this.isReading) return;
    this.isReading = true;
    try {
      while (!this.notifications.isEmpty) {
        const { ids, heartbeatSentAt } = this.notifications.take();
        if (ids.length > 0) await this.apply(ids);
        if (heartbeatSentAt !== undefined) this.onSynced(heartbeatSentAt);
      }
    } catch {
      // `KeySync` opens a new session, which reads all keys.
      this.close();
    } finally {
      this.isReading = false;
    }
  }

  private async apply(ids: readonly string[]): Promise<void> {
    const keys = await this.read(ids);
    this.cache.put(keys);
    await this.client.query('SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload', [
      ACKNOWLEDGEMENTS_CHANNEL,
      keys.map((key) => this.instance.acknowledge(key)),
    ]);
  }

  private async readAll(): Promise<void> {
    const seen = new Set<string>();
    // Read in pages, so that the event loop can handle requests in between.
    for (let last = '', isLast = false; !isLast;) {
      const keys = await this.select(`id > $1 ORDER BY id LIMIT ${PAGE_SIZE}`, last);
      this.cache.put(keys);
      for (const { id } of keys) seen.add((last = id));
      isLast = keys.length < PAGE_SIZE;
    }
    // If the loop has not seen a cached key, the key was deleted, or was created during the loop.
    // Reading the unseen keys once more shows which of them still exist.
    const unseen = this.cache.allBut(seen);
    if (unseen.length === 0) return;
    const existing = await this.read(unseen.map(({ id }) => id));
    const digests = new Set(existing.map(({ digest }) => digest));
    for (const key of unseen.filter(({ digest }) => !digests.has(digest))) this.cache.remove(key);
  }

  private read(ids: readonly string[]): Promise<IssuedKey[]> {
    return this.select('id = ANY($1)', ids);
  }

  private async select(condition: string, value: unknown): Promise<IssuedKey[]> {
    const text = `SELECT ${ISSUED_KEY_COLUMNS} FROM api_keys WHERE ${condition}`;
    const rows = await this.client.query<IssuedKeyRow>(text, [value]);
    return rows.map((row) => this.reader.read(row));
  }
}
