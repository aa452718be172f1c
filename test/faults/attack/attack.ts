import { randomBytes } from 'node:crypto';
import type { AttemptOutcome } from '../../../src/requests/request-event.js';
import type { Caller } from './callers.js';
import type { Answer, HttpCaller } from './http-caller.js';

const CONCURRENCY = 16;

/** The attempts, and the expected records of them. */
export interface MadeAttempt {
  readonly requestId: string;
  readonly keyId: string | null;
  readonly outcome: AttemptOutcome;
}

export interface Attack {
  readonly attempts: readonly MadeAttempt[];
  /** Refused before a key was looked at, since too much was going on: no attempts. */
  readonly shed: number;
  /** Wrong keys that were let in. */
  readonly breaches: number;
}

/** Has the callers call in turns until so many attempts are made. */
export async function attack(
  http: HttpCaller,
  callers: readonly Caller[],
  total: number,
  report: (done: number) => void = () => undefined,
): Promise<Attack> {
  const prefix = `attack-${randomBytes(4).toString('hex')}`;
  const attempts: MadeAttempt[] = [];
  let [turn, shed, breaches] = [0, 0, 0];
  const call = async () => {
    while (turn < total) {
      const mine = turn++;
      const caller = callers[mine % callers.length];
      if (caller === undefined) return;
      const { refusal, keyId, headers, path } = caller;
      const requestId = `${prefix}-${mine}`;
      const answer = await http.call('GET', path(mine), { ...headers, 'x-request-id': requestId });
      const outcome = outcomeOf(answer, refusal);
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
 * The outcome of a response. Only the test knows that of a wrong key, because responses never
 * reveal it.
 */
function outcomeOf({ code }: Answer, refusal: Caller['refusal']): AttemptOutcome | undefined {
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
