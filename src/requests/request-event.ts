/** The reasons to refuse a key. Responses never reveal the reason. */
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

/** The true outcome of an attempt to use a key, even if the response does not reveal it. */
export const ATTEMPT_OUTCOMES = [
  ...KEY_REFUSALS,
  /** A valid key, within its limits and permissions. The response may still be 404 or 400. */
  'admitted',
  /** The keys in memory may be out of date, so the key could not be verified. */
  'unverifiable',
  /** A valid key without the required permission: 403. */
  'forbidden',
  /** A valid key that exceeds its limit of requests per minute or of concurrent requests. */
  'rate-limited',
  /** A valid key that exceeds its limit of distinct users or misses per hour. */
  'enumeration-limited',
] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/**
 * The limits that can refuse a request. `source-failures` refuses wrong keys from a network that
 * has sent too many of them. The outcome of such a request still states why the key is wrong.
 */
export const LIMIT_NAMES = [
  'key-rate',
  'key-concurrency',
  'key-enumeration',
  'source-failures',
] as const;
type LimitName = (typeof LIMIT_NAMES)[number];

/**
 * The labels of a request that was refused because of a missing permission or a limit. Without
 * `outcome`, the request has the outcome of the key check.
 */
export interface Refusal {
  readonly outcome?: AttemptOutcome;
  readonly limit?: LimitName;
}

/** The properties that many requests share. They contain no secret and no data about users. */
export interface RequestLabels {
  readonly method: string;
  /** The route's pattern, such as `/api/internal/users/:id`; null if no route was reached. */
  readonly route: string | null;
  /** Status of the response; 499 if the client disconnected before the response ended. */
  readonly status: number;
  /** IP address of the client. */
  readonly source: string;
  /** The first product of the client's `User-Agent`. */
  readonly client: string | null;
  /** Id of the key, if it is or was an issued or root key. */
  readonly keyId: string | null;
  /** Null if no key was checked; otherwise the request is an authentication attempt. */
  readonly outcome: AttemptOutcome | null;
  readonly limit: LimitName | null;
}

/** A request whose response has ended or whose client has disconnected. */
export interface RequestEvent {
  readonly labels: RequestLabels;
  readonly requestId: string;
  /** Rounded to 1 µs. */
  readonly durationMs: number;
}
