/** Why a key is refused. Responses never reveal it. */
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

/** The true outcome of an attempt to use a key, whatever the response says. */
export const ATTEMPT_OUTCOMES = [
  ...KEY_REFUSALS,
  /** A valid key that no limit or permission refused. The response may still be 404 or 400. */
  'admitted',
  /** The keys in memory may be out of date, so the key could not be verified. */
  'unverifiable',
  /** A valid key without the permission: 403. */
  'forbidden',
  /** A valid key over its requests per minute or its concurrent requests. */
  'rate-limited',
  /** A valid key over its distinct users or misses per hour. */
  'enumeration-limited',
] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/**
 * The limit that refused a request. `source-failures`: a wrong key from a network with too many
 * failures; its outcome stays the key's.
 */
export const LIMIT_NAMES = [
  'key-rate',
  'key-concurrency',
  'key-enumeration',
  'source-failures',
] as const;
type LimitName = (typeof LIMIT_NAMES)[number];

/**
 * The labels of a request that a permission or a limit refused, where they differ from the key's.
 */
export interface Refusal {
  readonly outcome?: AttemptOutcome;
  readonly limit?: LimitName;
}

/** The properties that many requests share. They hold no secret and no personal data. */
export interface RequestLabels {
  readonly method: string;
  /** The route's pattern, such as `/api/internal/users/:id`; null if no route was reached. */
  readonly route: string | null;
  /** Of the response; 499 if the client left before it. */
  readonly status: number;
  readonly source: string;
  /** The first product of the client's `User-Agent`. */
  readonly client: string | null;
  /** The key, if it is or was an issued or root key. */
  readonly keyId: string | null;
  /** Null if the route requires no key; otherwise the request is an authentication attempt. */
  readonly outcome: AttemptOutcome | null;
  readonly limit: LimitName | null;
}

/** A completed request, with or without a response. */
export interface RequestEvent {
  readonly labels: RequestLabels;
  readonly requestId: string;
  /** To the microsecond. */
  readonly durationMs: number;
}
