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
// Bounds the rows that each call of `share` can write.
const MAX_SHARED_NETWORKS = 100;
const ALL_NETWORKS = 'all';

interface SharedCount {
  readonly network: string;
  readonly failures: number;
  /** The number of networks with a failure within the window. */
  readonly sources: number;
}

/**
 * Raises alerts about failed authentication, use of revoked keys, and enumeration of users. Also
 * adds the failures to counts in the database, because a load balancer may distribute the requests
 * of one client to several processes (docs/decisions/0042).
 */
@Injectable()
export class AttemptDetector implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(AttemptDetector.name);
  private readonly failures = new NetworkWindows(WINDOW_SECONDS * 1000);
  private readonly maxFailures: number;
  private readonly maxSources: number;
  /** Failures by network that have not been reported to the database yet. */
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
    this.check(network, window.count(now), this.failures.size);
    const isNew = !this.unshared.has(network);
    if (isNew && this.unshared.size >= MAX_SHARED_NETWORKS) return;
    this.unshared.set(network, (this.unshared.get(network) ?? 0) + added);
    this.timer ??= setTimeout(() => void this.share(), SHARE_DELAY_MS).unref();
  }

  private check(network: string, failures: number, sources: number): void {
    const seconds = WINDOW_SECONDS;
    if (failures >= this.maxFailures) {
      this.alerts.raise('repeated-failures', network, { failures, seconds });
    }
    if (sources >= this.maxSources) {
      this.alerts.raise('failures-from-many-sources', ALL_NETWORKS, { sources, seconds });
    }
  }

  /** Reports new failures to the database, and checks the counts of all processes. */
  private async share(): Promise<void> {
    const networks = [...this.unshared.keys()];
    const added = [...this.unshared.values()];
    this.unshared = new Map();
    this.timer = undefined;
    try {
      // Begins with `WITH`, because `DatabaseGuard` retries a statement that begins with `SELECT`,
      // and a retry would count the failures twice.
      const counts = await this.prisma.$queryRaw<SharedCount[]>`
        WITH counted AS (
          SELECT * FROM count_failed_auth(${networks}::text[], ${added}::int[], ${WINDOW_SECONDS}::int)
        )
        SELECT network, failures, sources FROM counted`;
      for (const { network, failures, sources } of counts) this.check(network, failures, sources);
    } catch (error) {
      this.logger.debug(withoutArguments(error));
    }
  }
}
