import { callbackify } from 'node:util';
import { Client, type ClientConfig } from 'pg';
import { ConnectionError, PooledSessionError } from './connection-error.js';
import type { DatabaseUrls, UrlVariable } from './database-urls.js';

// Several probes, because a transaction pooler may use the same session repeatedly by chance.
const PROBES = 8;
const PROBE_TIMEOUTS = { connectionTimeoutMillis: 2000, query_timeout: 2000 };

type Settings = Readonly<Record<string, string>>;

/** A database connection that finds out whether it has a PostgreSQL session of its own. */
export class DatabaseClient extends Client {
  /** False behind a pooler, which may use another session for each transaction. */
  hasOwnSession = false;

  /** @param settings session settings, applied only if the client has a session of its own */
  constructor(
    private readonly urls: DatabaseUrls,
    private readonly variable: UrlVariable,
    config: ClientConfig,
    private readonly settings: Settings = {},
  ) {
    super({ ...config, connectionString: urls.read(variable) });
    // Without a listener, an error event would end the process. The running statement fails anyway.
    this.on('error', () => undefined);
  }

  /** @throws ConnectionError */
  override connect(): Promise<Client>;
  override connect(callback: (error: Error | null) => void): void;
  override connect(callback?: (error: Error | null) => void): Promise<Client> | void {
    if (callback === undefined) return this.open();
    callbackify(() => this.open())(callback);
  }

  /** Connects. @throws ConnectionError; PooledSessionError behind a transaction pooler */
  async connectDirectly(): Promise<void> {
    await this.connect();
    if (await this.isInTransactionPool()) throw new PooledSessionError(this.variable);
  }

  /** Whether a transaction pooler is in use: compares the sessions of two connections. */
  private async isInTransactionPool(): Promise<boolean> {
    if (this.hasOwnSession) return false;
    const other = new DatabaseClient(this.urls, this.variable, PROBE_TIMEOUTS);
    try {
      await other.connect();
      const sessions = new Set<number>();
      const others = new Set<number>();
      // Probes this connection twice per round. Otherwise, a pooler that alternates between two
      // sessions could look like two direct connections.
      for (let probe = 0; probe < PROBES; probe++) {
        for (const client of [this, this, other]) {
          (client === other ? others : sessions).add(await readProcessId(client));
        }
      }
      return sessions.size > 1 || others.size > 1 || [...sessions].some((id) => others.has(id));
    } finally {
      // Not awaited, because a server that hangs would never respond.
      other.end().catch(() => undefined);
    }
  }

  private async open(): Promise<Client> {
    try {
      await super.connect();
      await this.setUp();
    } catch (error) {
      // If only `setUp` failed, the connection is still open.
      super.end().catch(() => undefined);
      const failure = new ConnectionError(this.variable, error);
      this.urls.report(this.variable, failure.message);
      throw failure;
    }
    this.urls.report(this.variable);
    return this;
  }

  // Sets `hasOwnSession`: behind a pooler, `processID` is an invented id, not that of the session.
  private async setUp(): Promise<void> {
    const processId = 'processID' in this ? this.processID : undefined;
    const settings = listSettings(this.settings, 'pg_backend_pid() <> $1');
    const { rows } = await this.query<{ isOwn: boolean }>(
      `SELECT pg_backend_pid() = $1::int AS "isOwn"${settings}`,
      [processId],
    );
    this.hasOwnSession = rows[0]?.isOwn ?? false;
  }
}

/** Returns a statement that applies settings until the end of the transaction. */
export function setLocally(settings: Settings): string {
  return `SELECT true${listSettings(settings, 'true')}`;
}

function listSettings(settings: Settings, isLocal: string): string {
  const calls = Object.entries(settings).map(
    ([name, value]) => `, set_config('${name}', '${value}', ${isLocal})`,
  );
  return calls.join('');
}

async function readProcessId(client: Client): Promise<number> {
  const { rows } = await client.query<{ id: number }>('SELECT pg_backend_pid() AS id');
  return rows[0]?.id ?? 0;
}
