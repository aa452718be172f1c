import { Injectable } from '@nestjs/common';
import type { AuditEvent } from '../generated/prisma/client.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { AuditChain } from './audit-chain.js';
import type {
  AuditEventPage,
  AuditEventResponse,
  AuditReport,
  ListAuditEvents,
} from './audit.schemas.js';

const PAGE_SIZE = 1000;
const KEYS_PAGE_SIZE = 500;
/** The prefix of subjects that are users. All other subjects are ids of keys. */
const USER_SUBJECT = 'user:';

@Injectable()
export class AuditService {
  constructor(private readonly prisma: PrismaService) {}

  /** Returns a page of events, oldest first, with the names of their keys. */
  async list({ subject, actor, limit, cursor }: ListAuditEvents): Promise<AuditEventPage> {
    const rows = await this.prisma.$queryRaw<(Omit<AuditEventResponse, 'at'> & { at: Date })[]>`
      SELECT sequence::float8, at, actor, action, subject, before::json, after::json,
        (SELECT name FROM api_keys WHERE id = split_part(actor, ':', 1)) AS "actorName",
        (SELECT name FROM api_keys WHERE id = subject) AS "subjectName"
      FROM audit_events
      WHERE sequence > ${cursor ?? '0'}::text::int8
        AND (${subject ?? null}::text IS NULL OR subject = ${subject ?? null})
        AND (${actor ?? null}::text IS NULL OR actor = ${actor ?? null} OR starts_with(actor, ${`${actor}:`}))
      ORDER BY audit_events.sequence LIMIT ${limit + 1}`;
    const page = rows.slice(0, limit);
    const events = page.map(({ at, ...event }) => ({ ...event, at: at.toISOString() }));
    const last = page.at(-1);
    return { events, nextCursor: rows.length > limit && last ? String(last.sequence) : null };
  }

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
   * Finds events that were changed or are missing, and keys that differ from their events. Does not
   * compare users, because their rows change too often.
   * @param expectedHead the head of an earlier report, which the trail must contain
   */
  async verify(expectedHead?: string): Promise<AuditReport> {
    const chain = new AuditChain(expectedHead);
    const keys = new Set<string>();
    let events = 0;
    for await (const event of this.events()) {
      chain.add(event);
      if (!event.subject.startsWith(USER_SUBJECT)) keys.add(event.subject);
      events += 1;
    }
    chain.finish();
    return {
      events,
      head: chain.head,
      faults: chain.faults,
      inconsistentKeys: await this.findInconsistentKeys(keys),
    };
  }

  /** Returns keys that differ from their last event, for example after an event was deleted. */
  private async findInconsistentKeys(recorded: ReadonlySet<string>): Promise<string[]> {
    const missing = new Set(recorded);
    const inconsistent: string[] = [];
    let page: { readonly id: string; readonly isInconsistent: boolean }[] = [];
    do {
      // Starts with null, not with an empty string, because a forged key may have an empty id.
      const last = page.at(-1)?.id ?? null;
      // Reads pages, so that no statement runs long. Each statement sees keys and events in one
      // snapshot.
      page = await this.prisma.$queryRaw`
        SELECT key.id, event.after IS NULL OR EXISTS (
          -- Ignores columns that were added to the table after the event.
          SELECT FROM jsonb_each(event.after::jsonb) AS recorded (name, value)
          WHERE current.fields -> recorded.name IS DISTINCT FROM recorded.value
        ) AS "isInconsistent"
        FROM api_keys AS key
        LEFT JOIN LATERAL (
          SELECT after FROM audit_events WHERE subject = key.id ORDER BY sequence DESC LIMIT 1
        ) AS event ON true
        -- OFFSET 0 makes PostgreSQL convert each key only once, rather than once per field.
        CROSS JOIN LATERAL (SELECT to_jsonb(key) AS fields OFFSET 0) AS current
        WHERE ${last}::text IS NULL OR key.id > ${last} ORDER BY key.id LIMIT ${KEYS_PAGE_SIZE}`;
      for (const { id, isInconsistent } of page) {
        missing.delete(id);
        if (isInconsistent) inconsistent.push(id);
      }
    } while (page.length === KEYS_PAGE_SIZE);
    return [...inconsistent, ...missing].toSorted();
  }
}
