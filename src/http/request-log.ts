import type { Logger } from 'pino';
import {
  type AttemptOutcome,
  type FinishedRequest,
  isAttempt,
  type RequestKind,
} from '../requests/finished-request.js';

type Level = 'info' | 'warn';
type WriteLine = (request: FinishedRequest) => void;

/**
 * Writes one line for each request, with the route's pattern, since a path may name a user. Where a
 * key was required, the line is also the record of that authentication attempt.
 */
export class RequestLog {
  private readonly logger: Logger;
  /** The fields of a kind are serialized once, as bindings of a child (docs/decisions/0033). */
  private readonly writers = new WeakMap<RequestKind, WriteLine>();

  constructor(logger: Logger) {
    // No field can hold a header, and to look for one triples the time of a line.
    this.logger = logger.child({}, { redact: [] });
  }

  write(kind: RequestKind, requests: readonly FinishedRequest[]): void {
    const writeLine = this.writers.get(kind) ?? this.createWriter(kind);
    for (const request of requests) writeLine(request);
  }

  private createWriter(kind: RequestKind): WriteLine {
    const { level, fields } = describe(kind);
    const child = this.logger.child(fields);
    const writeLine: WriteLine = ({ requestId, durationMs }) =>
      child[level]({ requestId, durationMs }, 'request');
    this.writers.set(kind, writeLine);
    return writeLine;
  }
}

function describe(kind: RequestKind): { level: Level; fields: object } {
  const { method, route, status, keyId } = kind;
  const fields = { method, route, status, keyId };
  if (!isAttempt(kind)) return { level: 'info', fields };
  const { outcome, limit, source, client } = kind;
  const event = EVENTS[outcome] ?? (limit === null ? 'authn_login_fail' : 'authn_login_fail_max');
  const level = ALARMING.has(event) ? 'warn' : 'info';
  return { level, fields: { ...fields, event, outcome, limit, source, client } };
}

/** Names of events: https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html */
const EVENTS: Readonly<Partial<Record<AttemptOutcome, string>>> = {
  admitted: 'authn_login_success',
  forbidden: 'authz_fail',
  'rate-limited': 'excess_rate_limit_exceeded',
  'enumeration-limited': 'malicious_direct_reference',
  revoked: 'authn_token_reuse',
  expired: 'authn_token_reuse',
};

// The first suggests that a revoked key has leaked, the second that a valid one was stolen.
const ALARMING: ReadonlySet<string> = new Set(['authn_token_reuse', 'malicious_direct_reference']);
