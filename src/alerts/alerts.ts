import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import type { Environment } from '../config/environment.js';
import { withoutArguments } from '../prisma/database-error.js';
import { HOUR_MS } from '../time.js';
import {
  ALERT_RULES,
  type Alert,
  type AlertDetails,
  type AlertRule,
  describeAlert,
  renderAlert,
  RULE_DESCRIPTIONS,
} from './alert.js';
import { Deliveries } from './deliveries.js';
import { type EndedIncidents, IncidentStore } from './incident-store.js';

const TICKS_PER_QUIET_TIME = 5;
const MAX_TICK_MS = 5000;
const PURGE_INTERVAL_MS = HOUR_MS;
// Bounds the alerts of `repeated-failures` during an attack from many networks. The rule
// `failures-from-many-sources` reports such an attack as a whole.
const MAX_OPEN_PER_RULE = 100;

const RULES_THAT_END_WHEN_QUIET = Object.entries(RULE_DESCRIPTIONS)
  .filter(([, { endsWhenQuiet }]) => endsWhenQuiet)
  .map(([rule]) => rule);

/** An incident that this process has detected and not yet saved. */
interface Detection {
  readonly alert: Alert;
  /** Whether the incident was open already. If so, its alert has been sent before. */
  readonly wasOpen: boolean;
  // These flags prevent a second log line and a second delivery when a failed save is retried.
  isLogged: boolean;
  isDelivered: boolean;
}

/**
 * Notifies operators once when an incident begins and once when it ends. Logs each alert, and sends
 * it to `ALERT_WEBHOOK_URL` through an outbox table. While the database is unavailable, each
 * process sends its own alerts without the outbox and saves its detections later.
 */
@Injectable()
export class Alerts implements OnModuleInit, OnApplicationShutdown {
  /** For each rule, how many alerts were not raised because too many incidents were open. */
  readonly suppressed: Record<string, number> = Object.fromEntries(
    ALERT_RULES.map((rule) => [rule, 0]),
  );
  private readonly logger = new Logger(Alerts.name);
  private readonly quietForSeconds: number;
  private open = new Map<string, Set<string>>();
  private detections = new Map<string, Detection>();
  private latestWrite = Promise.resolve();
  private queuedWrite: Promise<void> | undefined;
  private timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly store: IncidentStore,
    private readonly deliveries: Deliveries,
    private readonly host: HttpAdapterHost,
    config: ConfigService<Environment, true>,
  ) {
    this.quietForSeconds = config.get('ALERT_QUIET_SECONDS', { infer: true });
  }

  onModuleInit(): void {
    const tickMs = Math.min(MAX_TICK_MS, (this.quietForSeconds * 1000) / TICKS_PER_QUIET_TIME);
    const purge = () => void this.attempt(() => this.store.purge());
    this.timers = [
      setInterval(() => void this.tick(), tickMs).unref(),
      setInterval(purge, PURGE_INTERVAL_MS).unref(),
    ];
  }

  async onApplicationShutdown(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.flush();
  }

  /** The number of open incidents of a rule, in all processes. */
  countOpen(rule: string): number {
    return this.openOf(rule).size;
  }

  /** Reports a detection. Repeated detections keep the incident open. */
  raise(rule: AlertRule, subject: string, details: AlertDetails = {}): void {
    const open = this.openOf(rule);
    const isNew = !open.has(subject);
    if (isNew && open.size >= MAX_OPEN_PER_RULE) {
      this.suppressed[rule] = (this.suppressed[rule] ?? 0) + 1;
      return;
    }
    const key = `${rule} ${subject}`;
    if (!this.detections.has(key)) {
      const ids = { id: randomUUID(), incidentId: randomUUID() };
      const alert = { ...ids, rule, subject, details, startedAt: new Date(), endedAt: null };
      this.detections.set(key, { alert, wasOpen: !isNew, isLogged: false, isDelivered: false });
    }
    if (!isNew) return;
    open.add(subject);
    void this.flush();
  }

  /** Ends the incidents that `ending` selects, and notifies operators. */
  async end(ending: EndedIncidents): Promise<void> {
    await this.flush();
    await this.attempt(async () => {
      const alerts = await this.store.end(ending);
      for (const alert of alerts) {
        this.openOf(alert.rule).delete(alert.subject);
        this.log(alert);
      }
      if (alerts.length > 0) void this.deliveries.run();
    });
  }

  /** Saves detections, ends quiet incidents, and loads incidents of other processes. */
  async tick(): Promise<void> {
    await this.end({ rules: RULES_THAT_END_WHEN_QUIET, quietForSeconds: this.quietForSeconds });
    await this.attempt(async () => {
      const saved = await this.store.listOpen();
      const unsaved = [...this.detections.values()].map(({ alert }) => alert);
      this.open = new Map();
      for (const { rule, subject } of [...saved, ...unsaved]) this.openOf(rule).add(subject);
    });
  }

  private openOf(rule: string): Set<string> {
    const known = this.open.get(rule) ?? new Set();
    this.open.set(rule, known);
    return known;
  }

  // Runs one write at a time. All calls during a write share the next write.
  private flush(): Promise<void> {
    this.queuedWrite ??= this.latestWrite.then(() => {
      this.queuedWrite = undefined;
      return this.write();
    });
    this.latestWrite = this.queuedWrite;
    return this.queuedWrite;
  }

  private async write(): Promise<void> {
    const batch = this.detections;
    if (batch.size === 0) return;
    this.detections = new Map();
    const all = [...batch.values()];
    try {
      const delivered = all.filter(({ isDelivered }) => isDelivered).map(({ alert }) => alert.id);
      const alerts = all.map(({ alert }) => alert);
      const opened = await this.store.save(alerts, new Set(delivered));
      this.logOnce(all.filter(({ alert }) => opened.has(alert.incidentId)));
      if (opened.size > 0) void this.deliveries.run();
    } catch (error) {
      this.logger.debug(withoutArguments(error));
      this.detections = new Map([...this.detections, ...batch]);
      const begun = all.filter(({ wasOpen }) => !wasOpen);
      this.logOnce(begun);
      await this.deliverWithoutDatabase(begun);
    }
  }

  private async deliverWithoutDatabase(detections: readonly Detection[]): Promise<void> {
    for (const detection of detections) {
      if (detection.isDelivered) continue;
      detection.isDelivered = await this.deliveries.sendWithoutOutbox(renderAlert(detection.alert));
      // Stop at the first failure, because the receiver is probably unavailable.
      if (!detection.isDelivered) return;
    }
  }

  private logOnce(detections: readonly Detection[]): void {
    for (const detection of detections) {
      if (!detection.isLogged) this.log(detection.alert);
      detection.isLogged = true;
    }
  }

  private log(alert: Alert): void {
    const { rule, subject, details, incidentId, endedAt } = alert;
    const { event, severity } = RULE_DESCRIPTIONS[rule];
    const fastify: FastifyInstance = this.host.httpAdapter.getInstance();
    const fields = { event, rule, severity, subject, details, incidentId };
    if (endedAt === null) fastify.log.warn(fields, `alert: ${describeAlert(alert)}`);
    else fastify.log.info(fields, `resolved: ${describeAlert(alert)}`);
  }

  private async attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.logger.debug(withoutArguments(error));
    }
  }
}
