import { invalidRequest } from '../problems/invalid-request.js';
import { ProblemException } from '../problems/problem.js';
import { DAY_MS } from '../time.js';
import type { ApiKeyRow } from './api-key-response.js';
import { DEFAULT_LIFETIME_DAYS, MAX_LIFETIME_DAYS } from './api-key.schemas.js';
import { type Principal, isBoundedByIssuer } from './principal.js';
import type { KeyChange } from './key-changes.js';
import { isPartOf } from './network.js';

/**
 * The rights of a key. An empty list of fields or of networks allows all of them. A null rate limit
 * means the default.
 */
export type Grant = Pick<
  ApiKeyRow,
  'scopes' | 'readFields' | 'writeFields' | 'networks' | 'rateLimit'
>;

interface Excess {
  readonly path: string;
  readonly message: string;
}

/**
 * Locks the rows of the caller's key and of the keys `ids`. With `includeAdmins`, also locks the
 * rows of all keys that have the scope `keys:write`. Then rechecks the caller's key, because
 * another request may have revoked it while this call waited for the locks.
 * @throws ProblemException `INVALID_API_KEY`
 */
export async function lockKeys(
  caller: Principal,
  { ids, includeAdmins }: { readonly ids: readonly string[]; readonly includeAdmins: boolean },
  { prisma, now }: KeyChange,
): Promise<void> {
  // All changes lock keys in ascending order of id, which prevents deadlocks.
  const locked = await prisma.$queryRaw<{ id: string; isValid: boolean }[]>`
    SELECT id, revoked_at IS NULL AND least(expires_at, retires_at) > ${now} AS "isValid"
    FROM api_keys
    WHERE id = ANY(${[caller.keyId, ...ids]}::text[]) OR (${includeAdmins} AND 'keys:write' = ANY(scopes))
    ORDER BY id FOR UPDATE`;
  const isValid = locked.some((key) => key.id === caller.keyId && key.isValid);
  if (!caller.isRoot && !isValid) throw new ProblemException('INVALID_API_KEY');
}

/**
 * Refuses a grant that exceeds the issuer's rights: a key could otherwise issue a stronger key.
 * @throws ProblemException `GRANT_EXCEEDS_CALLER` with an error for each excessive field
 */
export function checkGrant(issuer: ApiKeyRow, grant: Grant, defaultRateLimit: number): void {
  refuseExcess([
    ...excessScopes(issuer, grant),
    ...excessOf('readFields', 'may read only', issuer, grant),
    ...excessOf('writeFields', 'may write only', issuer, grant),
    ...excessOf('networks', 'may send requests only from', issuer, grant),
    ...excessRate(issuer.rateLimit ?? defaultRateLimit, grant.rateLimit ?? defaultRateLimit),
  ]);
}

function refuseExcess(errors: readonly Excess[]): void {
  if (errors.length > 0)
    throw new ProblemException('GRANT_EXCEEDS_CALLER', { errors: [...errors] });
}

function excessScopes({ scopes }: Grant, grant: Grant): Excess[] {
  return grant.scopes
    .filter((scope) => !scopes.includes(scope))
    .map((scope) => ({ path: 'scopes', message: `the caller does not have the scope ${scope}` }));
}

function excessOf(
  path: 'readFields' | 'writeFields' | 'networks',
  rule: string,
  { [path]: held }: Grant,
  { [path]: requested }: Grant,
): Excess[] {
  const isHeld = (entry: string) =>
    path === 'networks' ? isPartOf(entry, held) : held.includes(entry);
  if (held.length === 0 || (requested.length > 0 && requested.every(isHeld))) return [];
  return [{ path, message: `the caller ${rule} ${held.join(', ')}` }];
}

function excessRate(held: number, requested: number): Excess[] {
  if (requested <= held) return [];
  return [
    { path: 'rateLimit', message: `the caller may make at most ${held} requests per minute` },
  ];
}

/** The expiry of a key, and the end of its lineage (docs/reference/glossary.md). */
export interface Lifetime {
  readonly expiresAt: Date;
  readonly lineageEndsAt: Date;
}

/**
 * Returns the lifetime of a new key, which must not outlive the issued key that creates it.
 * @param issuer undefined for root keys and the command line.
 * @throws ProblemException `GRANT_EXCEEDS_CALLER`
 */
export function newLifetime(
  issuer: ApiKeyRow | undefined,
  requested: Date | undefined,
  now: Date,
): Lifetime {
  const end = issuer && earliest(issuer.expiresAt, issuer.retiresAt ?? issuer.expiresAt);
  const lifetime = lifetimeUntil(end ?? daysAfter(now, MAX_LIFETIME_DAYS), requested, now);
  if (end !== undefined && lifetime.expiresAt > end) {
    const message = `the caller's key expires at ${end.toISOString()}`;
    refuseExcess([{ path: 'expiresAt', message }]);
  }
  return lifetime;
}

/**
 * Returns the lifetime of a successor. If a root key or the command line rotates a key that no
 * issued key created, a new lineage begins. Otherwise, the successor must not outlive the lineage
 * of the predecessor or of the caller's key.
 * @param caller undefined for root keys and the command line.
 * @throws ProblemException `INVALID_REQUEST`
 */
export function successorLifetime(
  predecessor: ApiKeyRow,
  caller: ApiKeyRow | undefined,
  requested: Date | undefined,
  now: Date,
): Lifetime {
  if (caller === undefined && !isBoundedByIssuer(predecessor)) {
    return newLifetime(undefined, requested, now);
  }
  const end = earliest(lineageEnd(predecessor), lineageEnd(caller ?? predecessor));
  const lifetime = lifetimeUntil(end, requested, now);
  if (lifetime.expiresAt > end || lifetime.expiresAt <= now) {
    const message = `must not be after ${end.toISOString()}, when the lineage of the rotated key or of the caller's key ends`;
    throw invalidRequest([{ path: ['expiresAt'], message }]);
  }
  return lifetime;
}

/** Returns the end of a key's lineage. Rows from earlier releases do not contain this time. */
export function lineageEnd({ lineageEndsAt, createdAt }: ApiKeyRow): Date {
  return lineageEndsAt ?? daysAfter(createdAt, MAX_LIFETIME_DAYS);
}

function lifetimeUntil(lineageEndsAt: Date, requested: Date | undefined, now: Date): Lifetime {
  const expiresAt = requested ?? earliest(daysAfter(now, DEFAULT_LIFETIME_DAYS), lineageEndsAt);
  return { expiresAt, lineageEndsAt };
}

function daysAfter(time: Date, days: number): Date {
  return new Date(time.getTime() + days * DAY_MS);
}

function earliest(one: Date, other: Date): Date {
  return one < other ? one : other;
}
