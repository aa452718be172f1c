import { PrismaPg } from '@prisma/adapter-pg';
import { ColumnTypeEnum, type SqlDriverAdapter } from '@prisma/driver-adapter-utils';
import pg from 'pg';

const INTERNAL_CHAR_OID = 18;
const TEXT_OID = 25;

/**
 * Opens Prisma's PostgreSQL adapter, and adds two features that migrations need: columns of the
 * internal type "char", and scripts that contain a semicolon inside a string or a function.
 */
export async function openPostgresAdapter(url: URL): Promise<SqlDriverAdapter> {
  const charColumns = new WeakMap<object, readonly number[]>();
  const pool = withInternalCharAsText(new pg.Pool(poolConfig(url)), charColumns);
  const schema = url.searchParams.get('schema') ?? undefined;
  const adapter = await new PrismaPg(pool, { schema, disposeExternalPool: true }).connect();
  return {
    provider: adapter.provider,
    adapterName: adapter.adapterName,
    executeRaw: (query) => adapter.executeRaw(query),
    startTransaction: (isolationLevel) => adapter.startTransaction(isolationLevel),
    getConnectionInfo: () => adapter.getConnectionInfo(),
    dispose: () => adapter.dispose(),
    async queryRaw(query) {
      const result = await adapter.queryRaw(query);
      for (const column of charColumns.get(result.rows) ?? []) {
        result.columnTypes[column] = ColumnTypeEnum.Character;
      }
      return result;
    },
    // The adapter's executeScript splits at every semicolon. Without arguments, executeRaw sends
    // the whole script, and the server splits it.
    async executeScript(script) {
      await adapter.executeRaw({ sql: script, args: [], argTypes: [] });
    },
  };
}

function poolConfig(url: URL): pg.PoolConfig {
  const address = new URL(url);
  // The adapter writes UTC times without an offset, so the session must use UTC.
  const options = `${address.searchParams.get('options') ?? ''} -c TimeZone=UTC`;
  address.searchParams.set('options', options.trim());
  return {
    connectionString: address.href,
    // One connection that never times out, because the engine's advisory lock belongs to a session.
    max: 1,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: Number(url.searchParams.get('connect_timeout') ?? 5) * 1000,
  };
}

/** Declares "char" columns as text, which the adapter supports, and records them per result. */
function withInternalCharAsText(
  pool: pg.Pool,
  charColumns: WeakMap<object, readonly number[]>,
): pg.Pool {
  const query = async (config: pg.QueryArrayConfig) => {
    const result = await pool.query(config);
    // A script returns a list of results. The engine does not read their rows.
    if (Array.isArray(result)) return result;
    const columns: number[] = [];
    for (const [column, field] of result.fields.entries()) {
      if (field.dataTypeID !== INTERNAL_CHAR_OID) continue;
      field.dataTypeID = TEXT_OID;
      columns.push(column);
    }
    charColumns.set(result.rows, columns);
    return result;
  };
  return new Proxy(pool, {
    get: (target, property) => (property === 'query' ? query : Reflect.get(target, property)),
  });
}
