import { withoutRedaction } from '@latchkey/logging/logger';
import type { Logger } from 'pino';
import type { AttemptOutcome, RequestEvent, RequestLabels } from '../requests/request-event.js';

interface BoundLogger {
  readonly level: 'debug' | 'info' | 'warn';
  readonly logger: Logger;
}

// Logged at level debug, because health checks and documentation pages would fill the log.
const QUIET_ROUTES = /^\/api\/(?:health|docs)(?:\/|$)/;

/**
 * Logs one line per request. The line contains the route's pattern instead of the path, because the
 * path may contain a user id. On routes that require a key, the line also records the
 * authentication attempt.
 */
export class RequestLog {
  private readonly logger: Logger;
  /** A child logger per set of labels, which serializes them only once (docs/decisions/0033). */
  private readonly bound = new WeakMap<RequestLabels, BoundLogger>();

  constructor(logger: Logger) {
    this.logger = withoutRedaction(logger);
  }

  write(labels: RequestLabels, events: readonly RequestEvent[]): void {
    const { level, logger } = this.bound.get(labels) ?? this.bind(labels);
    for (const { requestId, durationMs } of events) {
      logger[level]({ requestId, durationMs }, 'request');
    }
  }

  private bind(labels: RequestLabels): BoundLogger {
    const { level, fields } = describe(labels);
    const bound = { level, logger: this.logger.child(fields) };
    this.bound.set(labels, bound);
    return bound;
  }
}

function describe(labels: RequestLabels): { level: BoundLogger['level']; fields: object } {
  const { method, route, status, keyId, outcome, limit, source, client } = labels;
  const fields = { method, route, status, keyId };
  if (outcome === null) {
    const isQuiet = status < 400 && route !== null && QUIET_ROUTES.test(route);
    return { level: isQuiet ? 'debug' : 'info', fields };
  }
  const event = EVENTS[outcome] ?? (limit === null ? 'authn_login_fail' : 'authn_login_fail_max');
  const level = ALARMING.has(outcome) ? 'warn' : 'info';
  return { level, fields: { ...fields, event, outcome, limit, source, client } };
}

// Logged as warnings: a revoked or expired key in use may have leaked, and a key that enumerates
// users may be stolen.
const ALARMING: ReadonlySet<AttemptOutcome> = new Set([
  'revoked',
  'expired',
  'enumeration-limited',
]);

// https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html
const EVENTS: Partial<Record<AttemptOutcome, string>> = {
  admitted: 'authn_login_success',
  forbidden: 'authz_fail',
  'rate-limited': 'excess_rate_limit_exceeded',
  'enumeration-limited': 'malicious_direct_reference',
  revoked: 'authn_token_reuse',
  expired: 'authn_token_reuse',
};
