import { Injectable } from '@nestjs/common';
import { PrismaService } from '../prisma/prisma.service.js';
import { AuditChain, type AuditEvent, type AuditFault } from './audit-chain.js';

const PAGE_SIZE = 1000;
const KEYS_PAGE_SIZE = 500;

export interface AuditReport {
  readonly events: number;
  readonly head: { readonly sequence: bigint; readonly hash: string };
  readonly faults: readonly AuditFault[];
  /** Keys that are not what the last event about them says, or that no event is about. */
  readonly strayKeys: readonly string[];
}

interface KeyCheck {
  readonly id: string;
  readonly isStray: boolean;
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
  // By pages, since a statement must not take long; each sees its keys and their events at one moment.
  private async findStrayKeys(): Promise<string[]> {
    const stray: string[] = [];
    for (let last: string | null = null; ;) {
      const page: KeyCheck[] = await this.readPageOfKeys(last);
      stray.push(...page.filter(({ isStray }) => isStray).map(({ id }) => id));
      if (page.length < KEYS_PAGE_SIZE) return stray;
      last = page.at(-1)?.id ?? last;
    }
  }

  /** The keys after an id that there are, or that there are events of, in order. */
  private readPageOfKeys(last: string | null): Promise<KeyCheck[]> {
    return this.prisma.$queryRaw`
      WITH page AS MATERIALIZED (
        (SELECT id FROM api_keys WHERE ${last}::text IS NULL OR id > ${last} ORDER BY id LIMIT ${KEYS_PAGE_SIZE})
        UNION
        (SELECT DISTINCT subject FROM audit_events WHERE ${last}::text IS NULL OR subject > ${last} ORDER BY subject LIMIT ${KEYS_PAGE_SIZE})
        ORDER BY id LIMIT ${KEYS_PAGE_SIZE}
      ), event AS (
        SELECT DISTINCT ON (subject) subject, after FROM audit_events
        WHERE (${last}::text IS NULL OR subject > ${last}) AND subject <= (SELECT max(id) FROM page)
        ORDER BY subject, sequence DESC
      )
      SELECT page.id, (key.id IS NULL) IS DISTINCT FROM (event.after IS NULL) OR EXISTS (
        SELECT FROM jsonb_each(event.after::jsonb) AS said (name, value)
        WHERE current.fields -> said.name IS DISTINCT FROM said.value
      ) AS "isStray"
      FROM page
      LEFT JOIN api_keys AS key ON key.id = page.id
      LEFT JOIN event ON event.subject = page.id
      -- Made once for each key, and not for each of its fields.
      CROSS JOIN LATERAL (SELECT to_jsonb(key) AS fields OFFSET 0) AS current
      ORDER BY page.id`;
  }
}
