import { PrismaPg } from '@prisma/adapter-pg';
import type { DatabaseGuard, Statement } from './database-guard.js';
import { type DatabasePool, SET_UP_TRANSACTION } from './database-pool.js';

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>;
type Query = Parameters<Adapter['queryRaw']>[0];
type Transaction = Awaited<ReturnType<Adapter['startTransaction']>>;

/** Prisma's PostgreSQL driver with the guard around each statement outside a transaction. */
export class GuardedPrismaPg extends PrismaPg {
  constructor(
    private readonly guard: DatabaseGuard,
    private readonly pool: DatabasePool,
    options: ConstructorParameters<typeof PrismaPg>[1],
  ) {
    super(pool, options);
  }

  override async connect(): Promise<Adapter> {
    const adapter = await super.connect();
    const startTransaction = adapter.startTransaction.bind(adapter);
    const direct = {
      queryRaw: adapter.queryRaw.bind(adapter),
      executeRaw: adapter.executeRaw.bind(adapter),
    };
    adapter.startTransaction = async (isolationLevel) => {
      const transaction = await startTransaction(isolationLevel);
      if (this.pool.hasOwnSessions) return transaction;
      try {
        await execute(transaction, SET_UP_TRANSACTION);
      } catch (error) {
        await abandon(transaction);
        throw error;
      }
      return transaction;
    };
    const run = <Result>(
      query: Query,
      send: (target: Pick<Adapter, 'queryRaw' | 'executeRaw'>) => Promise<Result>,
    ) =>
      this.guard.run(describeStatement(query), async () =>
        this.pool.hasOwnSessions
          ? send(direct)
          : inTransaction(await adapter.startTransaction(), send),
      );
    adapter.queryRaw = (query) => run(query, (target) => target.queryRaw(query));
    adapter.executeRaw = (query) => run(query, (target) => target.executeRaw(query));
    return adapter;
  }
}

async function inTransaction<Result>(
  transaction: Transaction,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  try {
    const result = await work(transaction);
    await execute(transaction, 'COMMIT');
    await transaction.commit();
    return result;
  } catch (error) {
    await abandon(transaction);
    throw error;
  }
}

/** Gives the connection back to the pool. */
async function abandon(transaction: Transaction): Promise<void> {
  await execute(transaction, 'ROLLBACK').catch(() => undefined);
  await transaction.rollback();
}

async function execute(transaction: Transaction, sql: string): Promise<void> {
  await transaction.executeRaw({ sql, args: [], argTypes: [] });
}

const READ = /^\s*SELECT\b/i;
const TABLE = /\b(?:FROM|INTO|UPDATE)\s+(?:"?\w+"?\.)?"?(\w+)/i;

/** Derives the circuit from the text: Prisma sends writes with `RETURNING` as queries. */
export function describeStatement({ sql }: Pick<Query, 'sql'>): Statement {
  const isRepeatable = READ.test(sql);
  const table = TABLE.exec(sql)?.[1] ?? '';
  return { circuit: `${isRepeatable ? 'read' : 'write'} ${table}`, isRepeatable };
}
