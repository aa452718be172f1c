import { Injectable } from '@nestjs/common';
import { PrismaService } from '../prisma/prisma.service.js';
import { AuditChain, type AuditEvent, type AuditFault } from './audit-chain.js';

const PAGE_SIZE = 1000;

export interface AuditReport {
  readonly events: number;
  readonly head: { readonly sequence: bigint; readonly hash: string };
  readonly faults: readonly AuditFault[];
  /** Keys that are not what the last event about them says, or that no event is about. */
  readonly strayKeys: readonly string[];
}

/** The audit trail of keys. */
@Injectable()
export class AuditService {
  constructor(private readonly prisma: PrismaService) {}

  /** Every event from the first to the last, in order. */
  async *events(): AsyncGenerator<AuditEvent> {
    for (let last = 0n; ;) {
      const page = await this.prisma.auditEvent.findMany({
        where: { sequence: { gt: last } },
        orderBy: { sequence: 'asc' },
        take: PAGE_SIZE,
      });
      yield* page;
      if (page.length < PAGE_SIZE) return;
      last = page.at(-1)?.sequence ?? last;
    }
  }

  /**
   * Finds events that were changed or are missing, and keys that were changed without one.
   * @param expectedHead the head of an earlier report, as `sequence:hash`, from which this trail must have grown.
   */
  async verify(expectedHead?: string): Promise<AuditReport> {
    const chain = new AuditChain(expectedHead);
    let events = 0;
    for await (const event of this.events()) {
      chain.follow(event);
      events += 1;
    }
    chain.end();
    return {
      events,
      head: chain.head,
      faults: chain.faults,
      strayKeys: await this.findStrayKeys(),
    };
  }

  // Also finds events that were cut off at the end, which the chain alone can't tell. Columns that came later are in no event.
  private async findStrayKeys(): Promise<string[]> {
    const rows = await this.prisma.$queryRaw<{ id: string }[]>`
      SELECT coalesce(key.id, event.subject) AS id
      FROM api_keys AS key
      FULL JOIN (
        SELECT DISTINCT ON (subject) subject, after FROM audit_events ORDER BY subject, sequence DESC
      ) AS event ON event.subject = key.id
      WHERE (key.id IS NULL) IS DISTINCT FROM (event.after IS NULL) OR EXISTS (
        SELECT FROM jsonb_each(event.after::jsonb) AS said (name, value)
        WHERE to_jsonb(key) -> said.name IS DISTINCT FROM said.value
      )
      ORDER BY 1`;
    return rows.map(({ id }) => id);
  }
}
