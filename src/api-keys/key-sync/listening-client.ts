import type { QueryResultRow } from 'pg';
import { DatabaseClient } from '../../prisma/database-client.js';
import type { DatabaseUrls } from '../../prisma/database-urls.js';

const CONNECT_TIMEOUT_MS = 1000;
const QUERY_TIMEOUT_MS = 1500;

export interface NotificationListener {
  onNotification(channel: string, payload: string): void;
  /** Called once, when the connection has ended. The client does not reconnect. */
  onEnd(): void;
}

/** A database connection that listens to channels. It bypasses any transaction pooler. */
export class ListeningClient {
  private readonly client: DatabaseClient;
  private latest: Promise<unknown> = Promise.resolve();
  private hasEnded = false;

  constructor(
    urls: DatabaseUrls,
    applicationName: string,
    private readonly listener: NotificationListener,
  ) {
    this.client = new DatabaseClient(urls, urls.direct, {
      application_name: applicationName,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
    });
    this.client.on('notification', ({ channel, payload = '' }) =>
      listener.onNotification(channel, payload),
    );
    this.client.on('error', () => this.close());
    this.client.on('end', () => this.end());
  }

  /** Connects and listens. @throws ConnectionError, or PooledSessionError behind a pooler */
  async listen(channels: readonly string[]): Promise<void> {
    try {
      await this.client.connectDirectly();
      for (const channel of channels) await this.client.query(`LISTEN ${channel}`);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Returns the rows. Sends one query at a time, because pg's own query queue is deprecated. */
  async query<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const result = this.latest.then(() => this.client.query<Row>(text, values));
    // After a failure, close: otherwise, the queued queries would time out one after another.
    this.latest = result.catch(() => this.close());
    return (await result).rows;
  }

  /** Closes the connection without waiting for the server, which may not respond. */
  close(): void {
    if (this.hasEnded) return;
    void this.client.end().catch(() => undefined);
    this.end();
  }

  private end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.listener.onEnd();
  }
}
