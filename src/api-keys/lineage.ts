import { invalidRequest } from '../http/invalid-request.js';
import type { ApiKeyRow } from './api-key-answer.js';
import { DEFAULT_LIFETIME_DAYS, MAX_LIFETIME_DAYS } from './api-key.schemas.js';
import { isBoundedByIssuer } from './budgets.js';
import { refuseExcess } from './grants.js';

const DAY_MS = 86_400_000;

/** How long a key lives, and how long it and the successors that keys make of it can live at the most. */
export interface Lifetime {
  readonly expiresAt: Date;
  readonly lineageEndsAt: Date;
}

/**
 * The lifetime of a key that is no successor. One that a key issues does not outlive that key.
 * @param issuer undefined for a root key and the command line.
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
 * The lifetime of a key's successor. A rotation by a key prolongs nothing beyond the end of the lineage of either. One by a root
 * key or the command line begins the lineage anew, unless the key has an issuer.
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

/** When a key and the successors that keys make of it end. Keys of earlier releases have no such time of their own. */
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
