import type { Logger } from 'pino';
import {
  type AttemptLabels,
  isAttempt,
  type RequestEvent,
  type RequestLabels,
} from '../requests/request-event.js';

type Level = 'debug' | 'info' | 'warn';
type WriteLine = (event: RequestEvent) => void;

// Probes and documentation pages would dominate the log.
const QUIET_ROUTES = /^\/api\/(?:health|docs)(?:\/|$)/;

/**
 * Logs one line per request, with the route's pattern, because a path may name a user. On routes
 * that require a key, the line records the authentication attempt.
 */
export class RequestLog {
  private readonly logger: Logger;
  /** Labels are serialized once, as bindings of a child logger (docs/decisions/0033). */
  private readonly writers = new WeakMap<RequestLabels, WriteLine>();

  constructor(logger: Logger) {
    // No field can hold a header, and redaction triples the time of a line.
    this.logger = logger.child({}, { redact: [] });
  }

  write(labels: RequestLabels, events: readonly RequestEvent[]): void {
    const writeLine = this.writers.get(labels) ?? this.createWriter(labels);
    for (const event of events) writeLine(event);
  }

  private createWriter(labels: RequestLabels): WriteLine {
    const { level, fields } = describe(labels);
    const child = this.logger.child(fields);
    const writeLine: WriteLine = ({ requestId, durationMs }) =>
      child[level]({ requestId, durationMs }, 'request');
    this.writers.set(labels, writeLine);
    return writeLine;
  }
}

function describe(labels: RequestLabels): { level: Level; fields: object } {
  const { method, route, status, keyId } = labels;
  const fields = { method, route, status, keyId };
  if (!isAttempt(labels)) {
    const isQuiet = status < 400 && route !== null && QUIET_ROUTES.test(route);
    return { level: isQuiet ? 'debug' : 'info', fields };
  }
  const { outcome, limit, source, client } = labels;
  const event = eventOf(labels);
  const level = ALARMING.has(event) ? 'warn' : 'info';
  return { level, fields: { ...fields, event, outcome, limit, source, client } };
}

/**
 * Names of events:
 * https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html
 */
type AttemptEvent =
  | 'authn_login_success'
  | 'authn_login_fail'
  | 'authn_login_fail_max'
  | 'authn_token_reuse'
  | 'authz_fail'
  | 'excess_rate_limit_exceeded'
  | 'malicious_direct_reference';

// An ended key may have leaked; a key that enumerates users may be stolen.
const ALARMING: ReadonlySet<AttemptEvent> = new Set([
  'authn_token_reuse',
  'malicious_direct_reference',
]);

function eventOf({ outcome, limit }: AttemptLabels): AttemptEvent {
  switch (outcome) {
    case 'admitted':
      return 'authn_login_success';
    case 'forbidden':
      return 'authz_fail';
    case 'rate-limited':
      return 'excess_rate_limit_exceeded';
    case 'enumeration-limited':
      return 'malicious_direct_reference';
    case 'revoked':
    case 'expired':
      return 'authn_token_reuse';
    default:
      return limit === null ? 'authn_login_fail' : 'authn_login_fail_max';
  }
}
