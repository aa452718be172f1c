import { ProblemException } from '../problems/problem.js';
import type { ApiKeyRow } from './api-key-response.js';
import type { KeyChange } from './key-changes.js';
import { isPartOf } from './network.js';
import type { Principal } from './principal.js';

/** What a key allows its caller. */
export interface Grant {
  readonly scopes: readonly string[];
  /** Empty for all. */
  readonly readFields: readonly string[];
  /** Empty for all. */
  readonly writeFields: readonly string[];
  /** Empty for anywhere. */
  readonly networks: readonly string[];
  /** Requests a minute; null for the default. */
  readonly rateLimit: number | null;
}

interface Excess {
  readonly path: string;
  readonly message: string;
}

/**
 * Holds the caller's key and those that a change is about until it is over, and all keys that can manage keys if it may end one.
 * The caller's may have ended since it was verified, while the change waited for others: what is answered as revoked makes no more keys.
 * @throws ProblemException `INVALID_API_KEY`
 */
export async function lockKeys(
  caller: Principal,
  { ids, managersToo }: { readonly ids: readonly string[]; readonly managersToo: boolean },
  { prisma, now }: KeyChange,
): Promise<void> {
  // All at once and in one order, or two changes would wait for each other.
  const held = await prisma.$queryRaw<{ id: string; isInForce: boolean }[]>`
    SELECT id, revoked_at IS NULL AND least(expires_at, retires_at) > ${now} AS "isInForce"
    FROM api_keys
    WHERE id = ANY(${[caller.keyId, ...ids]}::text[]) OR (${managersToo} AND 'keys:write' = ANY(scopes))
    ORDER BY id FOR UPDATE`;
  const isInForce = held.some((key) => key.id === caller.keyId && key.isInForce);
  if (!caller.isRoot && !isInForce) throw new ProblemException('INVALID_API_KEY');
}

/**
 * Refuses a grant that exceeds the issuer's: a key could issue itself a stronger key otherwise.
 * @throws ProblemException `GRANT_EXCEEDS_CALLER`, with the places.
 */
export function checkGrant(issuer: ApiKeyRow, grant: Grant, defaultRateLimit: number): void {
  refuseExcess([
    ...excessScopes(issuer, grant),
    ...excessFields('readFields', issuer, grant),
    ...excessFields('writeFields', issuer, grant),
    ...excessNetworks(issuer, grant),
    ...excessRate(issuer.rateLimit ?? defaultRateLimit, grant.rateLimit ?? defaultRateLimit),
  ]);
}

/** @throws ProblemException `GRANT_EXCEEDS_CALLER`, unless there is no excess. */
export function refuseExcess(errors: readonly Excess[]): void {
  if (errors.length > 0)
    throw new ProblemException('GRANT_EXCEEDS_CALLER', { errors: [...errors] });
}

function excessScopes({ scopes }: Grant, grant: Grant): Excess[] {
  return grant.scopes
    .filter((scope) => !scopes.includes(scope))
    .map((scope) => ({ path: 'scopes', message: `the caller does not hold ${scope}` }));
}

function excessFields(path: 'readFields' | 'writeFields', issuer: Grant, grant: Grant): Excess[] {
  const held = issuer[path];
  const wanted = grant[path];
  if (held.length === 0) return [];
  if (wanted.length > 0 && wanted.every((field) => held.includes(field))) return [];
  const right = path === 'readFields' ? 'read' : 'write';
  return [{ path, message: `the caller may ${right} only ${held.join(', ')}` }];
}

function excessNetworks({ networks: held }: Grant, { networks }: Grant): Excess[] {
  if (held.length === 0) return [];
  if (networks.length > 0 && networks.every((network) => isPartOf(network, held))) return [];
  return [{ path: 'networks', message: `the caller must come from ${held.join(', ')}` }];
}

function excessRate(held: number, wanted: number): Excess[] {
  if (wanted <= held) return [];
  return [{ path: 'rateLimit', message: `the caller may make ${held} requests a minute` }];
}
