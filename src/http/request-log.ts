import type { Logger } from 'pino';
import { type Attempt, type FinishedRequest, isAttempt } from '../requests/finished-request.js';

/** For `logRequest`, whose lines have no headers: to look for secrets in them takes four times as long as to write them. */
export function createRequestLogger(logger: Logger): Logger {
  return logger.child({}, { redact: [] });
}

/**
 * Logs one line for a request, with the route's pattern: a path may name a user. Where a key was asked for, the line is the
 * record of that attempt too.
 */
export function logRequest(logger: Logger, request: FinishedRequest): void {
  // Written out, since what is made with `...` is not collected with the young objects: that costs as much as the line itself.
  const { requestId, method, route, status, durationMs, keyId } = request;
  if (!isAttempt(request)) {
    logger.info({ requestId, method, route, status, durationMs, keyId }, 'request');
    return;
  }
  const event = eventOf(request);
  const level = ALARMING.has(event) ? 'warn' : 'info';
  if (!logger.isLevelEnabled(level)) return;
  const { outcome, limit, source, client } = request;
  const answer = {
    requestId,
    method,
    route,
    status,
    durationMs,
    keyId,
    event,
    outcome,
    limit,
    source,
    client,
  };
  logger[level](answer, 'request');
}

/** Names of events: https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html */
type AttemptEvent =
  | 'authn_login_success'
  | 'authn_login_fail'
  | 'authn_login_fail_max'
  | 'authn_token_reuse'
  | 'authz_fail'
  | 'excess_rate_limit_exceeded'
  | 'malicious_direct_reference';

// Whoever has a key that was ended may have found it where it leaked; whoever walks through the users may have stolen one.
const ALARMING: ReadonlySet<AttemptEvent> = new Set([
  'authn_token_reuse',
  'malicious_direct_reference',
]);

function eventOf({ outcome, limit }: Attempt): AttemptEvent {
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
