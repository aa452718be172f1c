import { randomUUID } from 'node:crypto';
import {
  DriverAdapterError,
  type MappedError,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import { openPostgresAdapter } from './postgres-adapter.js';

/** Connects the schema engine to a database, and to shadow databases on the same server. */
export class PostgresAdapterFactory implements SqlMigrationAwareDriverAdapterFactory {
  readonly provider = 'postgres';
  readonly adapterName = '@prisma/adapter-pg';
  /**
   * The kind of the latest query error, which may be a connection error. `startEngine` derives a
   * Prisma code from the kind, because the engine reports connection errors without a code.
   */
  lastFailure?: MappedError['kind'];
  private readonly closers = new Set<() => Promise<void>>();

  constructor(private readonly url: URL) {}

  connect(): Promise<SqlDriverAdapter> {
    return this.open(this.url);
  }

  /** Creates an empty database and connects to it; disposing of the adapter drops the database. */
  async connectToShadowDb(): Promise<SqlDriverAdapter> {
    const server = await this.open(this.url);
    const database = `prisma_migrate_shadow_db_${randomUUID()}`;
    await server.executeScript(`CREATE DATABASE "${database}"`);
    return this.open(withDatabase(this.url, database), () =>
      server.executeScript(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`),
    );
  }

  /** Closes every connection and drops the shadow databases; await it before the process exits. */
  async close(): Promise<void> {
    // Newest first: a shadow database is dropped through the connection that created it.
    for (const close of [...this.closers].toReversed()) await close();
  }

  private async open(url: URL, afterwards = async () => {}): Promise<SqlDriverAdapter> {
    const adapter = await openPostgresAdapter(url);
    let closed: Promise<void> | undefined;
    const close = () => (closed ??= adapter.dispose().then(afterwards));
    this.closers.add(close);
    return {
      ...adapter,
      dispose: close,
      queryRaw: (query) =>
        adapter.queryRaw(query).catch((error: unknown) => {
          const failure = toAdapterError(error, url);
          this.lastFailure = failure.cause.kind;
          throw failure;
        }),
    };
  }
}

/**
 * Replaces the error of a failed connection with `DatabaseNotReachable` and the URL's host. The
 * adapter names only the last address it tried, and does not classify time-outs and some refusals.
 */
function toAdapterError(error: unknown, url: URL): DriverAdapterError {
  if (error instanceof DriverAdapterError && error.cause.kind !== 'DatabaseNotReachable') {
    return error;
  }
  const host = url.searchParams.get('host') ?? url.hostname;
  const port = Number(url.port || 5432);
  return new DriverAdapterError({ kind: 'DatabaseNotReachable', host, port });
}

/** Returns the URL of another database on the same server. */
export function withDatabase(url: URL, database: string): URL {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed;
}
