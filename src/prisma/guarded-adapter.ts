import { PrismaPg } from '@prisma/adapter-pg';
import type { DatabaseGuard, Statement } from './database-guard.js';
import { type DatabasePool, SET_UP_TRANSACTION } from './database-pool.js';

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>;
type Query = Parameters<Adapter['queryRaw']>[0];
type Transaction = Awaited<ReturnType<Adapter['startTransaction']>>;

/** adapter-pg, with the guard around each statement that is not part of a Prisma transaction. */
export class GuardedPrismaPg extends PrismaPg {
  constructor(
    private readonly guard: DatabaseGuard,
    private readonly pool: DatabasePool,
    options: ConstructorParameters<typeof PrismaPg>[1],
  ) {
    super(pool, options);
  }

  override async connect(): Promise<Adapter> {
    const { guard, pool } = this;
    const adapter = await super.connect();
    const startTransaction = adapter.startTransaction.bind(adapter);
    const direct = {
      queryRaw: adapter.queryRaw.bind(adapter),
      executeRaw: adapter.executeRaw.bind(adapter),
    };
    adapter.startTransaction = async (isolationLevel) => {
      const transaction = await startTransaction(isolationLevel);
      if (!pool.hasOwnSessions) {
        await orRollBack(transaction, () => execute(transaction, SET_UP_TRANSACTION));
      }
      return transaction;
    };
    const run = <Result>(query: Query, send: (target: typeof direct) => Promise<Result>) =>
      guard.run(describeStatement(query), async () => {
        if (pool.hasOwnSessions) return send(direct);
        const transaction = await adapter.startTransaction();
        return orRollBack(transaction, async () => {
          const result = await send(transaction);
          await execute(transaction, 'COMMIT');
          await transaction.commit();
          return result;
        });
      });
    adapter.queryRaw = (query) => run(query, (target) => target.queryRaw(query));
    adapter.executeRaw = (query) => run(query, (target) => target.executeRaw(query));
    return adapter;
  }
}

async function orRollBack<Result>(
  transaction: Transaction,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    await execute(transaction, 'ROLLBACK').catch(() => undefined);
    // Prisma's `rollback` sends no statement, but only returns the connection to the pool.
    await transaction.rollback();
    throw error;
  }
}

async function execute(transaction: Transaction, sql: string): Promise<void> {
  await transaction.executeRaw({ sql, args: [], argTypes: [] });
}

const READ = /^\s*SELECT\b/i;
const TABLE = /\b(?:FROM|INTO|UPDATE)\s+(?:"?\w+"?\.)?"?(\w+)/i;

/** Derives the circuit from the SQL, not from the method: `queryRaw` also runs some writes. */
export function describeStatement({ sql }: Pick<Query, 'sql'>): Statement {
  const isRepeatable = READ.test(sql);
  const table = TABLE.exec(sql)?.[1] ?? '';
  return { circuit: `${isRepeatable ? 'read' : 'write'} ${table}`, isRepeatable };
}
