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
  type AlertDetails,
  type AlertRule,
  RULE_DESCRIPTIONS,
} from './alert-rules.js';
import { type Alert, describeAlert, renderAlert } from './alert.js';
import { Deliveries } from './deliveries.js';
import { type Ending, EpisodeStore } from './episode-store.js';

const TICKS_A_QUIET_TIME = 5;
const LONGEST_TICK_MS = 5000;
const PURGE_INTERVAL_MS = HOUR_MS;
// An attack from everywhere is one alert of its own, not a hundred thousand.
const MAX_OPEN_OF_A_RULE = 100;

/** An episode that this process has seen and not yet written down. */
interface Sighting {
  readonly alert: Alert;
  /** It was known to last already, so that it was told when it began. */
  readonly wasOpen: boolean;
  /** It is in the log already, because there was no database. */
  isTold: boolean;
  /** The receiver has it already. */
  isDelivered: boolean;
}

/**
 * Tells operators, once for each episode, that it has begun and that it is over: in the log, and by the outbox to
 * `ALERT_WEBHOOK_URL`. Without a database it is told at once by each process that sees it, and written down later.
 */
@Injectable()
export class Alerts implements OnModuleInit, OnApplicationShutdown {
  /** Episodes that were not told because too many of their rule last. */
  readonly suppressed = new Map<AlertRule, number>(ALERT_RULES.map((rule) => [rule, 0]));
  private readonly logger = new Logger(Alerts.name);
  private readonly quietForSeconds: number;
  private open = noEpisodes();
  private sightings = new Map<string, Sighting>();
  private work = Promise.resolve();
  private next: Promise<void> | undefined;
  private timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly store: EpisodeStore,
    private readonly deliveries: Deliveries,
    private readonly host: HttpAdapterHost,
    config: ConfigService<Environment, true>,
  ) {
    this.quietForSeconds = config.get('ALERT_QUIET_SECONDS', { infer: true });
  }

  onModuleInit(): void {
    const tickMs = Math.min(LONGEST_TICK_MS, (this.quietForSeconds * 1000) / TICKS_A_QUIET_TIME);
    this.timers = [
      setInterval(() => void this.tick(), tickMs).unref(),
      setInterval(() => void this.purge(), PURGE_INTERVAL_MS).unref(),
    ];
  }

  async onApplicationShutdown(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.flush();
  }

  /** How many episodes of a rule last, whichever process has seen them. */
  countOpen(rule: AlertRule): number {
    return this.open[rule].size;
  }

  /** Says that something is the case, as often as it is seen. */
  raise(rule: AlertRule, subject: string, details: AlertDetails = {}): void {
    const open = this.open[rule];
    const isNew = !open.has(subject);
    if (isNew && open.size >= MAX_OPEN_OF_A_RULE) {
      this.suppressed.set(rule, (this.suppressed.get(rule) ?? 0) + 1);
      return;
    }
    const key = `${rule} ${subject}`;
    if (!this.sightings.has(key)) {
      const ids = { id: randomUUID(), episodeId: randomUUID() };
      const alert = { ...ids, rule, subject, details, startedAt: new Date(), endedAt: null };
      this.sightings.set(key, { alert, wasOpen: !isNew, isTold: false, isDelivered: false });
    }
    if (!isNew) return;
    open.add(subject);
    void this.flush();
  }

  /** Ends episodes that somebody knows to be over. */
  async end(ending: Ending): Promise<void> {
    await this.flush();
    await this.attempt(async () => this.tellEnds(await this.store.end(ending)));
  }

  /** Writes down what has been seen, ends what is quiet, and learns what other processes have opened. */
  async tick(): Promise<void> {
    const rules = ALERT_RULES.filter((rule) => RULE_DESCRIPTIONS[rule].endsWhenQuiet);
    await this.end({ rules, quietForSeconds: this.quietForSeconds });
    await this.attempt(async () => this.takeOver(await this.store.listOpen()));
  }

  // One at a time, and at most one that waits.
  private flush(): Promise<void> {
    this.next ??= this.work.then(() => {
      this.next = undefined;
      return this.write();
    });
    this.work = this.next;
    return this.next;
  }

  private async write(): Promise<void> {
    const batch = this.sightings;
    if (batch.size === 0) return;
    this.sightings = new Map();
    const all = [...batch.values()];
    try {
      const delivered = all.filter(({ isDelivered }) => isDelivered).map(({ alert }) => alert.id);
      const alerts = all.map(({ alert }) => alert);
      const opened = await this.store.save(alerts, new Set(delivered));
      this.tell(all.filter(({ alert }) => opened.has(alert.episodeId)));
      if (opened.size > 0) void this.deliveries.run();
    } catch (error) {
      this.logger.debug(withoutArguments(error));
      this.sightings = new Map([...this.sightings, ...batch]);
      const begun = all.filter(({ wasOpen }) => !wasOpen);
      this.tell(begun);
      await this.deliverWithoutDatabase(begun);
    }
  }

  private async deliverWithoutDatabase(sightings: readonly Sighting[]): Promise<void> {
    for (const sighting of sightings) {
      if (sighting.isDelivered) continue;
      sighting.isDelivered = await this.deliveries.sendAtOnce(renderAlert(sighting.alert));
      // A receiver that is away too is not waited for a hundred times.
      if (!sighting.isDelivered) return;
    }
  }

  private tell(sightings: readonly Sighting[]): void {
    for (const sighting of sightings) {
      if (!sighting.isTold) this.log(sighting.alert);
      sighting.isTold = true;
    }
  }

  private tellEnds(alerts: readonly Alert[]): void {
    for (const alert of alerts) {
      this.open[alert.rule].delete(alert.subject);
      this.log(alert);
    }
    if (alerts.length > 0) void this.deliveries.run();
  }

  private log(alert: Alert): void {
    const { rule, subject, details, episodeId, endedAt } = alert;
    const { event, severity } = RULE_DESCRIPTIONS[rule];
    const fastify: FastifyInstance = this.host.httpAdapter.getInstance();
    const fields = { event, rule, severity, subject, details, episode: episodeId };
    if (endedAt === null) fastify.log.warn(fields, `alert: ${describeAlert(alert)}`);
    else fastify.log.info(fields, `over: ${describeAlert(alert)}`);
  }

  private takeOver(episodes: readonly { rule: string; subject: string }[]): void {
    const unwritten = [...this.sightings.values()].map(({ alert }) => alert);
    this.open = noEpisodes();
    for (const { rule, subject } of [...episodes, ...unwritten]) {
      // Another version of this program may know other rules.
      const known = ALERT_RULES.find((each) => each === rule);
      if (known !== undefined) this.open[known].add(subject);
    }
  }

  private async purge(): Promise<void> {
    await this.attempt(() => this.store.purge());
  }

  private async attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.logger.debug(withoutArguments(error));
    }
  }
}

function noEpisodes(): Record<AlertRule, Set<string>> {
  const set = () => new Set<string>();
  return {
    'repeated-failures': set(),
    'failures-from-many-sources': set(),
    'revoked-key-used': set(),
    enumeration: set(),
    'key-feed-stale': set(),
    'key-near-expiry': set(),
    'key-unused': set(),
  };
}
