import { Client, type Notification } from 'pg';
import { z } from 'zod';
import type { IssuedKey } from '../issued-key.js';
import type { Fingerprint } from '../issued-key-ring.js';
import { ISSUED_KEY_COLUMNS, IssuedKeyReader, type IssuedKeyRow } from './issued-key-rows.js';

/** Where the trigger on `api_keys` says that a key has changed. */
export const CHANGES_CHANNEL = 'latchkey_api_keys';
/** Where instances say that they have taken in a change. */
export const ACKNOWLEDGEMENTS_CHANNEL = 'latchkey_key_acknowledgements';

const CONNECT_TIMEOUT_MS = 1000;
const QUERY_TIMEOUT_MS = 1500;
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

/** One connection to the database that hears of changes of keys, from its beginning to its end. */
export class FeedConnection {
  private readonly client: Client;
  private readonly reader = new IssuedKeyReader();
  private listener: FeedListener | undefined;
  private hasEnded = false;

  private constructor(
    url: string,
    private readonly instanceId: string,
  ) {
    this.client = new Client({
      connectionString: url,
      application_name: 'latchkey-key-feed',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
    });
    this.client.on('notification', (notification) => this.receive(notification));
    this.client.on('error', () => undefined);
    this.client.on('end', () => this.end());
  }

  /** Connects, and listens from then on. */
  static async open(url: string, instanceId: string): Promise<FeedConnection> {
    const connection = new FeedConnection(url, instanceId);
    try {
      await connection.client.connect();
      await connection.client.query(`LISTEN ${CHANGES_CHANNEL}`);
      await connection.client.query(`LISTEN ${connection.beatChannel}`);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** To be called at once: what comes in before is nobody's. */
  listen(listener: FeedListener): void {
    this.listener = listener;
  }

  /** Every key, a page at a time, so that requests are answered in between. */
  async *readAll(): AsyncGenerator<IssuedKey[]> {
    for (let last = ''; ;) {
      const { rows } = await this.client.query<IssuedKeyRow>({
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
    const { rows } = await this.client.query<IssuedKeyRow>({
      name: 'read-keys',
      text: `SELECT ${ISSUED_KEY_COLUMNS} FROM api_keys WHERE id = ANY($1)`,
      values: [keyIds],
    });
    return rows.map((row) => this.reader.read(row));
  }

  async readFingerprint(): Promise<Fingerprint> {
    const { rows } = await this.client.query(
      'SELECT count(*)::int AS count, coalesce(sum(revision), 0)::text AS revisions FROM api_keys',
    );
    return fingerprintRows.parse(rows)[0];
  }

  /**
   * Says that this instance is alive, and sends itself a beat. Answers with the database's time in milliseconds since
   * the epoch.
   */
  async beat(beat: string): Promise<number> {
    const { rows } = await this.client.query({
      name: 'beat',
      text: `WITH seen AS (
               INSERT INTO instances (id, last_seen_at) VALUES ($1, now())
               ON CONFLICT (id) DO UPDATE SET last_seen_at = now()
             )
             SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now, pg_notify($2, $3)`,
      values: [this.instanceId, this.beatChannel, beat],
    });
    return beatRows.parse(rows)[0].now;
  }

  /** Tells who waits for it that this instance goes by the keys as they are now. */
  async acknowledge(keys: readonly IssuedKey[]): Promise<void> {
    for (const { id, revision } of keys) {
      await this.client.query({
        name: 'acknowledge',
        text: 'SELECT pg_notify($1, $2)',
        values: [ACKNOWLEDGEMENTS_CHANNEL, `${this.instanceId} ${id} ${revision}`],
      });
    }
  }

  /** Says goodbye, so that nobody waits for this instance any more. */
  async leave(): Promise<void> {
    await this.client.query(LEAVE, [this.instanceId]);
  }

  /** Without waiting for an answer, which a frozen server would not give. */
  close(): void {
    void this.client.end().catch(() => undefined);
    this.end();
  }

  private end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.listener?.onEnd();
  }

  private get beatChannel(): string {
    return `latchkey_beat_${this.instanceId}`;
  }

  private receive({ channel, payload = '' }: Notification): void {
    if (channel === CHANGES_CHANNEL) this.listener?.onChange(payload);
    else this.listener?.onBeat(payload);
  }
}
