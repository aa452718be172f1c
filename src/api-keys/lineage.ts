import { invalidRequest } from '../problems/invalid-request.js';
import type { ApiKeyRow } from './api-key-response.js';
import { DEFAULT_LIFETIME_DAYS, MAX_LIFETIME_DAYS } from './api-key.schemas.js';
import { isBoundedByIssuer } from './budgets.js';
import { refuseExcess } from './grants.js';

const DAY_MS = 86_400_000;

/** The expiry of a key, and the latest expiry of successors that keys make of it. */
export interface Lifetime {
  readonly expiresAt: Date;
  readonly lineageEndsAt: Date;
}

/**
 * The lifetime of a new key. A key that is issued by a key does not outlive its issuer.
 * @param issuer undefined for root keys and the command line.
 * @throws ProblemException `GRANT_EXCEEDS_CALLER`
 */
export function newLifetime(
  issuer: ApiKeyRow | undefined,
  wanted: Date | undefined,
  now: Date,
): Lifetime {
  if (issuer === undefined) return startLineage(wanted, now);
  const end = earliest(issuer.expiresAt, issuer.retiresAt ?? issuer.expiresAt);
  const expiresAt = wanted ?? defaultExpiry(now, end);
  if (expiresAt > end) {
    refuseExcess([{ path: 'expiresAt', message: `the caller ends at ${end.toISOString()}` }]);
  }
  return { expiresAt, lineageEndsAt: end };
}

/**
 * The lifetime of a successor. Root keys and the command line renew the lineage of keys without an
 * issuer. All other successors end with the lineage, and with the rotating key's own lineage.
 * @param caller undefined for root keys and the command line.
 * @throws ProblemException `INVALID_REQUEST`
 */
export function successorLifetime(
  predecessor: ApiKeyRow,
  caller: ApiKeyRow | undefined,
  wanted: Date | undefined,
  now: Date,
): Lifetime {
  if (caller === undefined && !isBoundedByIssuer(predecessor)) return startLineage(wanted, now);
  const end = earliest(lineageEnd(predecessor), lineageEnd(caller ?? predecessor));
  const expiresAt = wanted ?? defaultExpiry(now, end);
  if (expiresAt > end || expiresAt <= now) {
    const message = `must be ${end.toISOString()} at the latest, when the lineage of the key ends`;
    throw invalidRequest([{ path: ['expiresAt'], message }]);
  }
  return { expiresAt, lineageEndsAt: end };
}

/** The end of a key's lineage. Keys of earlier releases have none of their own. */
export function lineageEnd({
  lineageEndsAt,
  createdAt,
}: Pick<ApiKeyRow, 'lineageEndsAt' | 'createdAt'>): Date {
  return lineageEndsAt ?? daysAfter(createdAt, MAX_LIFETIME_DAYS);
}

function startLineage(wanted: Date | undefined, now: Date): Lifetime {
  const lineageEndsAt = daysAfter(now, MAX_LIFETIME_DAYS);
  return { expiresAt: wanted ?? defaultExpiry(now, lineageEndsAt), lineageEndsAt };
}

function defaultExpiry(now: Date, end: Date): Date {
  return earliest(daysAfter(now, DEFAULT_LIFETIME_DAYS), end);
}

function daysAfter(time: Date, days: number): Date {
  return new Date(time.getTime() + days * DAY_MS);
}

function earliest(one: Date, other: Date): Date {
  return one < other ? one : other;
}
