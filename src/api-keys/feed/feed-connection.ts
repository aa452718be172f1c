import { z } from 'zod';
import type { IssuedKey } from '../issued-key.js';
import type { Fingerprint } from '../issued-key-ring.js';
import { ISSUED_KEY_COLUMNS, IssuedKeyReader, type IssuedKeyRow } from './issued-key-rows.js';
import { ListeningClient } from './listening-client.js';

/** Where the trigger on `api_keys` says that a key has changed. */
export const CHANGES_CHANNEL = 'latchkey_api_keys';
/** Where instances say that they have taken in a change. */
export const ACKNOWLEDGEMENTS_CHANNEL = 'latchkey_key_acknowledgements';

const PAGE_SIZE = 5000;
// Also for those that were killed and could not say goodbye.
const LEAVE = `DELETE FROM instances WHERE id = $1 OR last_seen_at < now() - interval '1 hour'`;

const fingerprintRows = z.tuple([
  z.object({ count: z.int(), revisions: z.string().transform(BigInt) }),
]);
const beatRows = z.tuple([z.object({ now: z.number() })]);

export interface FeedListener {
  /** A key has changed in the database. */
  onChange(keyId: string): void;
  /** A beat has come back, so that every change that was committed before it was sent has come too. */
  onBeat(beat: string): void;
  /** The connection is gone, and will not come back. */
  onEnd(): void;
}

/** What the feed says and asks over one connection. */
export class FeedConnection {
  private readonly reader = new IssuedKeyReader();

  private constructor(
    private readonly client: ListeningClient,
    private readonly instanceId: string,
  ) {}

  /** Connects, and listens from then on. */
  static async open(
    url: string,
    instanceId: string,
    listener: FeedListener,
  ): Promise<FeedConnection> {
    const channels = [CHANGES_CHANNEL, beatChannel(instanceId)];
    const client = await ListeningClient.open(url, 'latchkey-key-feed', channels, {
      onNotification: (channel, payload) => {
        if (channel === CHANGES_CHANNEL) listener.onChange(payload);
        else listener.onBeat(payload);
      },
      onEnd: () => listener.onEnd(),
    });
    return new FeedConnection(client, instanceId);
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
   * Says that this instance is alive, and sends itself a beat. Answers with the database's time in milliseconds since
   * the epoch.
   */
  async beat(beat: string): Promise<number> {
    const rows = await this.client.query({
      name: 'beat',
      text: `WITH seen AS (
               INSERT INTO instances (id, last_seen_at) VALUES ($1, now())
               ON CONFLICT (id) DO UPDATE SET last_seen_at = now()
             )
             SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now, pg_notify($2, $3)`,
      values: [this.instanceId, beatChannel(this.instanceId), beat],
    });
    return beatRows.parse(rows)[0].now;
  }

  /** Tells who waits for it that this instance goes by the keys as they are now. */
  async acknowledge(keys: readonly IssuedKey[]): Promise<void> {
    const payloads = keys.map(({ id, revision }) => `${this.instanceId} ${id} ${revision}`);
    await this.client.query({
      name: 'acknowledge',
      text: 'SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload',
      values: [ACKNOWLEDGEMENTS_CHANNEL, payloads],
    });
  }

  /** Says goodbye, so that nobody waits for this instance any more. */
  async leave(): Promise<void> {
    await this.client.query({ text: LEAVE, values: [this.instanceId] });
  }

  close(): void {
    this.client.close();
  }
}

function beatChannel(instanceId: string): string {
  return `latchkey_beat_${instanceId}`;
}
