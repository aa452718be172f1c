import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { IssuedKey } from '../issued-key.js';
import type { Fingerprint } from '../issued-key-cache.js';
import type { Instance } from './instance.js';
import { ISSUED_KEY_COLUMNS, IssuedKeyReader, type IssuedKeyRow } from './issued-key-rows.js';
import { ListeningClient } from './listening-client.js';
import type { DatabaseUrls } from '../../prisma/database-urls.js';

/** Where the trigger on `api_keys` says that a key has changed. */
export const CHANGES_CHANNEL = 'latchkey_api_keys';
/** Where instances acknowledge a change of a key. */
export const ACKNOWLEDGEMENTS_CHANNEL = 'latchkey_key_acknowledgements';

const PAGE_SIZE = 5000;

const fingerprintRows = z.tuple([
  z.object({ count: z.int(), revisions: z.string().transform(BigInt) }),
]);
const heartbeatRows = z.tuple([z.object({ now: z.number() })]);

export interface FeedListener {
  /** A key has changed in the database. */
  onChange(keyId: string): void;
  /** A heartbeat has come back, so every change that was committed before it was sent has come too. */
  onHeartbeat(nonce: string): void;
  /** The connection is gone, and will not come back. */
  onEnd(): void;
}

/** What the feed says and asks over one connection. */
export class FeedConnection {
  private readonly reader = new IssuedKeyReader();

  private constructor(
    private readonly client: ListeningClient,
    private readonly instance: Instance,
    private readonly heartbeatChannel: string,
  ) {}

  /** Connects, and listens from then on. */
  static async open(
    urls: DatabaseUrls,
    instance: Instance,
    listener: FeedListener,
  ): Promise<FeedConnection> {
    // Not named after the instance: other sessions see the channel before the instance has its row, and could take its id.
    const heartbeatChannel = `latchkey_heartbeat_${randomBytes(8).toString('hex')}`;
    const channels = [CHANGES_CHANNEL, heartbeatChannel];
    const client = await ListeningClient.open(urls, 'latchkey-key-feed', channels, {
      onNotification: (channel, payload) => {
        if (channel === CHANGES_CHANNEL) listener.onChange(payload);
        else listener.onHeartbeat(payload);
      },
      onEnd: () => listener.onEnd(),
    });
    return new FeedConnection(client, instance, heartbeatChannel);
  }

  /** Every key, a page at a time, so that requests are answered in between. */
  async *readAll(): AsyncGenerator<IssuedKey[]> {
    for (let last = ''; ;) {
      const rows = await this.client.query<IssuedKeyRow>({
        name: 'read-all-keys',
        text: `SELECT ${ISSUED_KEY_COLUMNS} FROM api_keys WHERE id > $1 ORDER BY id LIMIT ${PAGE_SIZE}`,
        values: [last],
      });
      for (const { id } of rows) last = id;
      yield rows.map((row) => this.reader.read(row));
      if (rows.length < PAGE_SIZE) return;
    }
  }

  async read(keyIds: readonly string[]): Promise<IssuedKey[]> {
    const rows = await this.client.query<IssuedKeyRow>({
      name: 'read-keys',
      text: `SELECT ${ISSUED_KEY_COLUMNS} FROM api_keys WHERE id = ANY($1)`,
      values: [keyIds],
    });
    return rows.map((row) => this.reader.read(row));
  }

  async readFingerprint(): Promise<Fingerprint> {
    const rows = await this.client.query({
      name: 'fingerprint',
      text: 'SELECT count(*)::int AS count, coalesce(sum(revision), 0)::text AS revisions FROM api_keys',
    });
    return fingerprintRows.parse(rows)[0];
  }

  /**
   * Records that this instance is alive, and sends itself a nonce. Answers with the database's time in milliseconds since
   * the epoch.
   */
  async sendHeartbeat(nonce: string): Promise<number> {
    const { id, secret, proof } = this.instance;
    const rows = await this.client.query({
      name: 'heartbeat',
      text: `SELECT (extract(epoch FROM record_heartbeat($1, $2, $3)) * 1000)::float8 AS now, pg_notify($4, $5)`,
      values: [id, secret, proof, this.heartbeatChannel, nonce],
    });
    return heartbeatRows.parse(rows)[0].now;
  }

  /** Lets the processes that wait for it know that this instance goes by these revisions of keys. */
  async acknowledge(keys: readonly IssuedKey[]): Promise<void> {
    await this.client.query({
      name: 'acknowledge',
      text: 'SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload',
      values: [ACKNOWLEDGEMENTS_CHANNEL, keys.map((key) => this.instance.acknowledge(key))],
    });
  }

  /** Removes the row of this instance, so that no change waits for it any more. */
  async leave(): Promise<void> {
    const { id, secret } = this.instance;
    await this.client.query({ text: 'SELECT remove_instance($1, $2)', values: [id, secret] });
  }

  close(): void {
    this.client.close();
  }
}
