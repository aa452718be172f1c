import { randomBytes } from 'node:crypto';
import type { AttemptOutcome } from '../../../src/requests/request-event.js';
import type { Caller } from './callers.js';
import type { HttpCaller, HttpResponse } from './http-caller.js';

const CONCURRENCY = 16;

/** A request that reached the key check. Its log line should have this key id and this outcome. */
export interface Attempt {
  readonly requestId: string;
  readonly keyId: string | null;
  readonly outcome: AttemptOutcome;
}

export interface Attack {
  readonly attempts: readonly Attempt[];
  /** The number of requests that were shed before the key check. These are not attempts. */
  readonly shed: number;
  /** The number of invalid keys that were admitted. */
  readonly breaches: number;
}

/** Sends `total` requests from the callers in turn. */
export async function attack(
  http: HttpCaller,
  callers: readonly Caller[],
  total: number,
  report: (done: number) => void = () => undefined,
): Promise<Attack> {
  const prefix = `attack-${randomBytes(4).toString('hex')}`;
  const attempts: Attempt[] = [];
  let [turn, shed, breaches] = [0, 0, 0];
  const call = async () => {
    while (turn < total) {
      const mine = turn++;
      const caller = callers[mine % callers.length];
      if (caller === undefined) return;
      const { refusal, keyId, headers, path } = caller;
      const requestId = `${prefix}-${mine}`;
      const response = await http.call('GET', path(mine), {
        ...headers,
        'x-request-id': requestId,
      });
      const outcome = outcomeOf(response, refusal);
      if (outcome === undefined) shed += 1;
      else attempts.push({ requestId, keyId, outcome });
      if (refusal !== undefined && outcome === 'admitted') breaches += 1;
      if (mine % 1000 === 999) report(mine + 1);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, call));
  return { attempts, shed, breaches };
}

/**
 * The outcome that log, metrics and usage should contain for a response; undefined if there was no
 * key check. Responses never reveal why a key is refused, so `refusal` provides that reason.
 */
function outcomeOf({ code }: HttpResponse, refusal: Caller['refusal']): AttemptOutcome | undefined {
  switch (code) {
    case 'OVERLOADED':
      return undefined;
    case 'INVALID_API_KEY':
    case 'TOO_MANY_FAILURES':
      return refusal ?? 'unknown';
    case 'INSUFFICIENT_SCOPE':
      return 'forbidden';
    case 'RATE_LIMITED':
      return 'rate-limited';
    case 'ENUMERATION_LIMITED':
      return 'enumeration-limited';
    case 'KEYS_UNAVAILABLE':
      return 'unverifiable';
    default:
      return 'admitted';
  }
}
