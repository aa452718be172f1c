/** Why a key is not admitted. The caller is never told which. */
export const KEY_REFUSALS = [
  'missing',
  'malformed',
  'wrong-environment',
  'unknown',
  'revoked',
  'expired',
  'foreign-network',
] as const;
export type KeyRefusal = (typeof KEY_REFUSALS)[number];

/** What became of an attempt to use a key. Whatever the caller was told, this is the true reason. */
export const ATTEMPT_OUTCOMES = [
  ...KEY_REFUSALS,
  /** A good key, and no limit or permission in its way; the answer may still be 404 or 400. */
  'admitted',
  /** The keys in memory may be out of date, so the key could not be judged. */
  'unverifiable',
  /** A good key that may not do this: answered 403. */
  'forbidden',
  /** A good key over its requests a minute, or at once. */
  'rate-limited',
  /** A good key over its distinct users, or users that don't exist, an hour. */
  'enumeration-limited',
] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/**
 * The limit that has refused a request. `source-failures`: a wrong key from an address with too many failures; its
 * outcome stays the key's.
 */
export const LIMIT_NAMES = [
  'key-rate',
  'key-concurrency',
  'key-enumeration',
  'source-failures',
] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

/** What many requests that are over have in common. It holds no secret and no personal detail. */
export interface RequestKind {
  readonly method: string;
  /** The route's pattern, such as `/api/internal/users/:id`; null where no route was reached. */
  readonly route: string | null;
  /** Of the answer; 499 if the client left before it. */
  readonly status: number;
  /** The caller's address. */
  readonly source: string;
  /** What the caller calls itself. */
  readonly client: string | null;
  /** The key that it is or was, if it is known. */
  readonly keyId: string | null;
  /** Null where no key was asked for; otherwise the requests are attempts. */
  readonly outcome: AttemptOutcome | null;
  /** Null if no limit was in the way. */
  readonly limit: LimitName | null;
}

/** Requests to a route that asks for a key. */
export type AttemptKind = RequestKind & { readonly outcome: AttemptOutcome };

export function isAttempt(kind: RequestKind): kind is AttemptKind {
  return kind.outcome !== null;
}

/** A request that is over, answered or not. */
export interface FinishedRequest {
  readonly requestId: string;
  /** To the microsecond. */
  readonly durationMs: number;
}
