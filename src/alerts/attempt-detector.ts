import { clientNetwork } from '@latchkey/limits/client-network';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import type { RequestKind } from '../requests/finished-request.js';
import { FinishedRequests } from '../requests/finished-requests.js';
import { Alerts } from './alerts.js';
import { FailureCounts } from './failure-counts.js';

const WINDOW_SECONDS = 60;
const EVERYWHERE = 'all';

/** Raises alerts from what callers do with keys. */
@Injectable()
export class AttemptWatch implements OnModuleInit {
  private readonly failures = new FailureCounts(WINDOW_SECONDS * 1000);
  private readonly maxFailures: number;
  private readonly maxSources: number;

  constructor(
    private readonly alerts: Alerts,
    private readonly requests: FinishedRequests,
    config: ConfigService<Environment, true>,
  ) {
    this.maxFailures = config.get('ALERT_SOURCE_FAILURES', { infer: true });
    this.maxSources = config.get('ALERT_FAILING_SOURCES', { infer: true });
  }

  onModuleInit(): void {
    this.requests.observe((kind, requests) => this.judge(kind, requests.length));
  }

  private judge({ outcome, keyId, source }: RequestKind, requests: number): void {
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

  private countFailures(source: string, added: number): void {
    const failures = this.failures.note(source, added, performance.now());
    const seconds = WINDOW_SECONDS;
    if (failures >= this.maxFailures) {
      this.alerts.raise('repeated-failures', source, { failures, seconds });
    }
    const sources = this.failures.size;
    if (sources >= this.maxSources) {
      this.alerts.raise('failures-from-many-sources', EVERYWHERE, { sources, seconds });
    }
  }
}
