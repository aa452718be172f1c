import type { LineStream } from '@latchkey/logging/line-batches';
import type { Logger } from 'pino';
import {
  type AttemptKind,
  type FinishedRequest,
  isAttempt,
  type RequestKind,
} from '../requests/finished-request.js';

// From '.000' to '.999'.
const THOUSANDTHS = Array.from({ length: 1000 }, (_, n) => `.${String(n).padStart(3, '0')}`);

/** What a line says besides when, which and how long. */
interface Description {
  readonly level: Level;
  /** From the request's id to its duration. */
  readonly text: string;
}

type Level = 'info' | 'warn';

/**
 * Writes a line for each request, with the route's pattern: a path may name a user. Where a key was asked for, the line is the
 * record of that attempt too. By hand and not by the logger, to which the lines look the same: most of a line is what the line before
 * said of the same kind, and to render that anew takes a tenth of the whole request.
 */
export class RequestLog {
  /** As long as `FinishedRequests` knows the kind. */
  private readonly descriptions = new WeakMap<RequestKind, Description>();
  private head = '';
  private headLevel: Level = 'info';
  private headTimeMs = 0;

  constructor(
    private readonly logger: Pick<Logger, 'isLevelEnabled'>,
    private readonly stream: Pick<LineStream, 'writeAscii'>,
  ) {}

  write(kind: RequestKind, requests: readonly FinishedRequest[]): void {
    const { level, text } = this.describe(kind);
    if (!this.logger.isLevelEnabled(level)) return;
    const head = this.headOf(level);
    let lines = '';
    for (const { requestId, durationMs } of requests) {
      // A request id is ASCII without a character that JSON escapes, whoever made it.
      lines += `${head}${requestId}${text}${decimal(durationMs)},"msg":"request"}\n`;
    }
    this.stream.writeAscii(lines);
  }

  private describe(kind: RequestKind): Description {
    const known = this.descriptions.get(kind);
    if (known !== undefined) return known;
    const description = render(kind);
    this.descriptions.set(kind, description);
    return description;
  }

  /** Up to the request's id: the same for all of a millisecond. */
  private headOf(level: Level): string {
    const now = Date.now();
    if (now !== this.headTimeMs || level !== this.headLevel) {
      this.headTimeMs = now;
      this.headLevel = level;
      this.head = `{"level":"${level}","time":"${new Date(now).toISOString()}","requestId":"`;
    }
    return this.head;
  }
}

/** A number of milliseconds, to the microsecond: in a fifth of the time that JavaScript takes to find the shortest text of a fraction. */
function decimal(milliseconds: number): string {
  const whole = Math.trunc(milliseconds);
  return `${whole}${THOUSANDTHS[Math.round((milliseconds - whole) * 1000)] ?? ''}`;
}

function render(kind: RequestKind): Description {
  const { method, route, status, keyId } = kind;
  const line = { method, route, status, keyId };
  if (!isAttempt(kind)) return { level: 'info', text: textOf(line) };
  const { outcome, limit, source, client } = kind;
  const event = eventOf(kind);
  const level = ALARMING.has(event) ? 'warn' : 'info';
  return { level, text: textOf({ ...line, event, outcome, limit, source, client }) };
}

function textOf(line: object): string {
  const text = JSON.stringify(line)
    .slice(1, -1)
    .replaceAll(/[^\x20-\x7e]/g, escaped);
  return `",${text},"durationMs":`;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
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

function eventOf({ outcome, limit }: AttemptKind): AttemptEvent {
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
