import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { z } from 'zod';
import type { Environment } from '../config/environment.js';
import { Prisma } from '../generated/prisma/client.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { ALERT_RULES, type AlertRule } from './alert-rules.js';
import { type Alert, renderAlert } from './alert.js';

const MAX_LISTED = 10_000;

const episodeRows = z.array(
  z.object({
    id: z.string(),
    rule: z.enum(ALERT_RULES),
    subject: z.string(),
    details: z.string().transform((text) => detailsSchema.parse(JSON.parse(text))),
    started_at: z.date(),
    ended_at: z.date(),
  }),
);
const detailsSchema = z.record(z.string(), z.union([z.string(), z.number()]));

export interface OpenEpisode {
  readonly rule: string;
  readonly subject: string;
}

/** Which episodes to end. */
export type Ending =
  | { readonly rules: readonly AlertRule[]; readonly quietForSeconds: number }
  | { readonly rule: AlertRule; readonly subject: string }
  | { readonly rule: AlertRule; readonly unless: readonly string[] };

/**
 * Episodes in the database. Of several processes that see the same one, the first opens it, and one ends it; with it goes
 * the alert to the outbox, or neither.
 */
@Injectable()
export class EpisodeStore {
  private readonly hasReceiver: boolean;

  constructor(
    private readonly prisma: PrismaService,
    config: ConfigService<Environment, true>,
  ) {
    this.hasReceiver = config.get('ALERT_WEBHOOK_URL', { infer: true }) !== undefined;
  }

  /**
   * Notes that episodes have been seen just now. Answers with the ids of those that this has opened; of the others some
   * process has told already. Saying it twice changes nothing. Alerts in `delivered` need not go to the outbox.
   */
  async save(seen: readonly Alert[], delivered: ReadonlySet<string>): Promise<Set<string>> {
    // In one order, or two processes that see the same ones would wait for each other.
    const alerts = seen.toSorted((one, other) => (openKey(one) < openKey(other) ? -1 : 1));
    const ids = alerts.map(({ episodeId }) => episodeId);
    const queued = alerts.filter(({ id }) => this.hasReceiver && !delivered.has(id));
    const opened = await this.prisma.$queryRaw<{ id: string }[]>`
      WITH seen AS (
        INSERT INTO alert_episodes (id, open_key, rule, subject, details, started_at, last_seen_at)
        SELECT id::uuid, open_key, rule, subject, details, started_at, now()
        FROM unnest(${ids}::text[], ${alerts.map(openKey)}::text[], ${alerts.map(({ rule }) => rule)}::text[],
                    ${alerts.map(({ subject }) => subject)}::text[],
                    ${alerts.map(({ details }) => JSON.stringify(details))}::text[],
                    ${alerts.map(({ startedAt }) => startedAt)}::timestamptz[])
          AS alert (id, open_key, rule, subject, details, started_at)
        ON CONFLICT (open_key) DO UPDATE SET last_seen_at = now()
        RETURNING id
      ), queued AS (
        INSERT INTO alert_outbox (id, body)
        SELECT alert.id::uuid, body
        FROM unnest(${queued.map(({ id }) => id)}::text[], ${queued.map(({ episodeId }) => episodeId)}::text[],
                    ${queued.map(renderAlert)}::text[]) AS alert (id, episode_id, body)
        JOIN seen ON seen.id = alert.episode_id::uuid
        ON CONFLICT (id) DO NOTHING
      )
      SELECT id::text FROM seen WHERE id = ANY(${ids}::uuid[])`;
    return new Set(opened.map(({ id }) => id));
  }

  /** Ends episodes, and answers with an alert for each that this has ended. */
  async end(ending: Ending): Promise<Alert[]> {
    return this.prisma.$transaction(async (transaction) => {
      const rows = await transaction.$queryRaw`
        UPDATE alert_episodes SET ended_at = now(), open_key = NULL
        WHERE open_key IS NOT NULL AND ${conditionOf(ending)}
        RETURNING id::text, rule, subject, details, started_at, ended_at`;
      const alerts = episodeRows.parse(rows).map(toEnd);
      if (this.hasReceiver && alerts.length > 0) {
        const data = alerts.map((alert) => ({ id: alert.id, body: renderAlert(alert) }));
        await transaction.alertDelivery.createMany({ data });
      }
      return alerts;
    });
  }

  /** Those that last, whichever process has opened them. */
  async listOpen(): Promise<OpenEpisode[]> {
    return this.prisma.alertEpisode.findMany({
      where: { openKey: { not: null } },
      select: { rule: true, subject: true },
      take: MAX_LISTED,
    });
  }

  /** Deletes episodes and alerts that were over a month ago. The role of this process may not delete rows by itself. */
  async purge(): Promise<void> {
    await this.prisma.$queryRaw`SELECT purge_alerts()::text`;
  }
}

function toEnd({
  id,
  rule,
  subject,
  details,
  ...row
}: z.output<typeof episodeRows>[number]): Alert {
  const { started_at: startedAt, ended_at: endedAt } = row;
  return { id: randomUUID(), episodeId: id, rule, subject, details, startedAt, endedAt };
}

function openKey({ rule, subject }: OpenEpisode): string {
  return `${rule} ${subject}`;
}

function conditionOf(ending: Ending): Prisma.Sql {
  if ('quietForSeconds' in ending) {
    return Prisma.sql`rule = ANY(${[...ending.rules]}::text[])
      AND last_seen_at < now() - ${ending.quietForSeconds} * interval '1 second'`;
  }
  if ('subject' in ending) return Prisma.sql`open_key = ${openKey(ending)}`;
  return Prisma.sql`rule = ${ending.rule} AND subject <> ALL(${[...ending.unless]}::text[])`;
}
