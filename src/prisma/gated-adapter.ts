import { PrismaPg } from '@prisma/adapter-pg';
import type { DatabaseGate, Statement } from './database-gate.js';

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>;
type Query = Parameters<Adapter['queryRaw']>[0];

/** Prisma's driver for PostgreSQL, with every statement outside a transaction going through the gate. */
export class GatedPrismaPg extends PrismaPg {
  constructor(
    private readonly gate: DatabaseGate,
    ...options: ConstructorParameters<typeof PrismaPg>
  ) {
    super(...options);
  }

  override async connect(): Promise<Adapter> {
    const adapter = await super.connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    const executeRaw = adapter.executeRaw.bind(adapter);
    adapter.queryRaw = (query) => this.gate.pass(describeStatement(query), () => queryRaw(query));
    adapter.executeRaw = (query) =>
      this.gate.pass(describeStatement(query), () => executeRaw(query));
    return adapter;
  }
}

const READ = /^\s*SELECT\b/i;
const TABLE = /\b(?:FROM|INTO|UPDATE)\s+(?:"?\w+"?\.)?"?(\w+)/i;

/** What Prisma writes with `RETURNING` comes as a query too, so the text tells what is a read. */
export function describeStatement({ sql }: Pick<Query, 'sql'>): Statement {
  const isRepeatable = READ.test(sql);
  const table = TABLE.exec(sql)?.[1] ?? '';
  return { circuit: `${isRepeatable ? 'read' : 'write'} ${table}`, isRepeatable };
}
