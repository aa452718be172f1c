import { clientNetwork } from '@latchkey/limits/client-network';
import { NetworkWindows } from '@latchkey/limits/network-windows';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import type { RequestLabels } from '../requests/request-event.js';
import { RequestEvents } from '../requests/request-events.js';
import { Alerts } from './alerts.js';

const WINDOW_SECONDS = 60;
const SHARE_DELAY_MS = 500;
// Bounds the rows that clients can cause. Each process detects attacks from more networks.
const MAX_SHARED_NETWORKS = 100;
const EVERYWHERE = 'all';

interface SharedCount {
  readonly network: string;
  readonly failures: number;
  /** Networks that failed within the window. */
  readonly sources: number;
}

/**
 * Raises alerts from attempts to use keys. Failures are counted in this process, and by the
 * database for all processes: a load balancer spreads the failures of one client
 * (docs/decisions/0042).
 */
@Injectable()
export class AttemptDetector implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(AttemptDetector.name);
  private readonly failures = new NetworkWindows(WINDOW_SECONDS * 1000);
  private readonly maxFailures: number;
  private readonly maxSources: number;
  /** Failures by network that the database has not counted yet. */
  private unshared = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly alerts: Alerts,
    private readonly events: RequestEvents,
    private readonly prisma: PrismaService,
    config: ConfigService<Environment, true>,
  ) {
    this.maxFailures = config.get('ALERT_SOURCE_FAILURES', { infer: true });
    this.maxSources = config.get('ALERT_FAILING_SOURCES', { infer: true });
  }

  onModuleInit(): void {
    this.events.observe((labels, events) => this.detect(labels, events.length));
  }

  onApplicationShutdown(): void {
    clearTimeout(this.timer);
  }

  private detect({ outcome, keyId, source }: RequestLabels, requests: number): void {
    switch (outcome) {
      case null:
      case 'admitted':
      case 'forbidden':
      case 'rate-limited':
      case 'unverifiable':
        return;
      case 'enumeration-limited':
        if (keyId !== null) this.alerts.raise('enumeration', keyId, { source });
        return;
      case 'revoked':
        if (keyId !== null) this.alerts.raise('revoked-key-used', keyId, { source });
        break;
      default:
    }
    this.countFailures(clientNetwork(source), requests);
  }

  private countFailures(network: string, added: number): void {
    const now = performance.now();
    const window = this.failures.windowOf(network, now);
    window.add(now, added);
    this.judge(network, window.count(now), this.failures.size);
    const isNew = !this.unshared.has(network);
    if (isNew && this.unshared.size >= MAX_SHARED_NETWORKS) return;
    this.unshared.set(network, (this.unshared.get(network) ?? 0) + added);
    this.timer ??= setTimeout(() => void this.share(), SHARE_DELAY_MS).unref();
  }

  private judge(network: string, failures: number, sources: number): void {
    const seconds = WINDOW_SECONDS;
    if (failures >= this.maxFailures) {
      this.alerts.raise('repeated-failures', network, { failures, seconds });
    }
    if (sources >= this.maxSources) {
      this.alerts.raise('failures-from-many-sources', EVERYWHERE, { sources, seconds });
    }
  }

  /** Adds the failures of this process to those of all processes. */
  private async share(): Promise<void> {
    const networks = [...this.unshared.keys()];
    const added = [...this.unshared.values()];
    this.unshared = new Map();
    this.timer = undefined;
    try {
      // `WITH` marks a write: a repeated statement would count twice.
      const counts = await this.prisma.$queryRaw<SharedCount[]>`
        WITH counted AS (
          SELECT * FROM count_failed_auth(${networks}::text[], ${added}::int[], ${WINDOW_SECONDS}::int)
        )
        SELECT network, failures, sources FROM counted`;
      for (const { network, failures, sources } of counts) this.judge(network, failures, sources);
    } catch (error) {
      this.logger.debug(withoutArguments(error));
    }
  }
}
