import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { Prisma } from '../generated/prisma/client.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { type Alert, type AlertRule, renderAlert } from './alert.js';

const MAX_LISTED = 10_000;

// Why an incident of the rules `key-near-expiry` and `key-unused` ended. Null for other rules, and
// if the key was used again or no longer expires soon.
const REASON = Prisma.sql`(
  SELECT CASE
    WHEN rotated_at IS NOT NULL THEN 'has a successor'
    WHEN revoked_at IS NOT NULL THEN 'was revoked'
    WHEN expires_at <= now() THEN 'has expired'
  END FROM api_keys WHERE api_keys.id = subject AND rule IN ('key-near-expiry', 'key-unused'))`;

interface OpenIncident {
  readonly rule: string;
  readonly subject: string;
}

/** The incidents to end: selected by quiet time, by subject, or by exclusion of subjects. */
export type EndedIncidents =
  | { readonly rules: readonly string[]; readonly quietForSeconds: number }
  | { readonly rule: AlertRule; readonly subject: string }
  | { readonly rule: AlertRule; readonly exceptSubjects: readonly string[] };

/**
 * Stores incidents. If several processes detect the same incident, only one of them opens it, and
 * only one ends it. Opening or ending an incident adds an alert to `alert_outbox` in the same
 * transaction.
 */
@Injectable()
export class IncidentStore {
  private readonly hasReceiver: boolean;

  constructor(
    private readonly prisma: PrismaService,
    config: ConfigService<Environment, true>,
  ) {
    this.hasReceiver = config.get('ALERT_WEBHOOK_URL', { infer: true }) !== undefined;
  }

  /**
   * Saves detections. Returns the ids of the incidents that this call opened; the others were open
   * already. A retry with the same alerts opens and queues nothing twice.
   * @param delivered ids of alerts that the receiver already has; they do not go into the outbox
   */
  async save(detected: readonly Alert[], delivered: ReadonlySet<string>): Promise<Set<string>> {
    const ids = detected.map(({ incidentId }) => incidentId);
    const incidents = detected.map((alert) => ({ ...alert, openKey: openKey(alert) }));
    // Sorted, so that all processes lock the rows in the same order and do not deadlock.
    incidents.sort((one, other) => (one.openKey < other.openKey ? -1 : 1));
    const queued = detected
      .filter(({ id }) => this.hasReceiver && !delivered.has(id))
      .map((alert) => ({
        id: alert.id,
        incidentId: alert.incidentId,
        body: renderAlert(alert),
      }));
    const opened = await this.prisma.$queryRaw<{ id: string }[]>`
      WITH seen AS (
        INSERT INTO alert_episodes (id, open_key, rule, subject, details, started_at, last_seen_at)
        SELECT "incidentId", "openKey", rule, subject, details, "startedAt", now()
        FROM json_to_recordset(${JSON.stringify(incidents)}::json) AS alert
          ("incidentId" uuid, "openKey" text, rule text, subject text, details text, "startedAt" timestamptz)
        ON CONFLICT (open_key) DO UPDATE SET last_seen_at = now()
        RETURNING id
      ), queued AS (
        INSERT INTO alert_outbox (id, body)
        SELECT alert.id, body
        FROM json_to_recordset(${JSON.stringify(queued)}::json) AS alert (id uuid, "incidentId" uuid, body text)
        JOIN seen ON seen.id = "incidentId"
        ON CONFLICT (id) DO NOTHING
      )
      SELECT id::text FROM seen WHERE id = ANY(${ids}::uuid[])`;
    return new Set(opened.map(({ id }) => id));
  }

  /** Ends incidents. Returns an alert for each incident that this call ended. */
  async end(ending: EndedIncidents): Promise<Alert[]> {
    return this.prisma.$transaction(async (transaction) => {
      const alerts = await transaction.$queryRaw<Alert[]>`
        UPDATE alert_episodes SET ended_at = now(), open_key = NULL
        WHERE open_key IS NOT NULL AND ${conditionOf(ending)}
        RETURNING gen_random_uuid()::text AS id, id::text AS "incidentId", rule, subject,
          details::jsonb || jsonb_strip_nulls(jsonb_build_object('reason', ${REASON})) AS details,
          started_at AS "startedAt", ended_at AS "endedAt"`;
      if (this.hasReceiver && alerts.length > 0) {
        const data = alerts.map((alert) => ({ id: alert.id, body: renderAlert(alert) }));
        await transaction.alertDelivery.createMany({ data });
      }
      return alerts;
    });
  }

  async listOpen(): Promise<OpenIncident[]> {
    return this.prisma.alertIncident.findMany({
      where: { openKey: { not: null } },
      select: { rule: true, subject: true },
      take: MAX_LISTED,
    });
  }

  /**
   * Deletes an incident 30 days after its end. Deletes an alert 30 days after its creation, unless
   * its delivery is pending.
   */
  async purge(): Promise<void> {
    // Calls a function with the table owner's rights, because the run-time role cannot delete rows.
    await this.prisma.$queryRaw`SELECT purge_alerts()::text`;
  }
}

function openKey({ rule, subject }: OpenIncident): string {
  return `${rule} ${subject}`;
}

function conditionOf(ending: EndedIncidents): Prisma.Sql {
  if ('quietForSeconds' in ending) {
    return Prisma.sql`rule = ANY(${[...ending.rules]}::text[])
      AND last_seen_at < now() - ${ending.quietForSeconds} * interval '1 second'`;
  }
  if ('subject' in ending) return Prisma.sql`open_key = ${openKey(ending)}`;
  return Prisma.sql`rule = ${ending.rule} AND subject <> ALL(${[...ending.exceptSubjects]}::text[])`;
}
