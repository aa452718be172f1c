import { ProblemException } from '../http/problem.js';
import type { Principal } from './principal.js';
import type { KeyChange } from './key-changes.js';
import { isPartOf } from './network.js';
import type { Scope } from './scopes.js';

/** What a key allows its caller. */
export interface Grant {
  readonly scopes: readonly Scope[];
  /** Undefined for all. */
  readonly userFields?: readonly string[] | undefined;
  /** Undefined for anywhere. */
  readonly networks?: readonly string[] | undefined;
}

/**
 * Holds the caller's key and those that a change is about until it is over, and all keys that can manage keys if it may end one.
 * The caller's may have ended since it was verified, while the change waited for others: what is answered as revoked makes no more keys.
 * @throws ProblemException `INVALID_API_KEY`
 */
export async function holdKeys(
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
 * Refuses a grant of more than the caller holds: else a key could make itself a stronger one.
 * @throws ProblemException `GRANT_EXCEEDS_CALLER`, with the places.
 */
export async function checkGrant(
  caller: Principal,
  grant: Grant,
  { prisma }: KeyChange,
): Promise<void> {
  if (caller.isRoot) return;
  const own = await prisma.apiKey.findUniqueOrThrow({
    where: { id: caller.keyId },
    select: { networks: true },
  });
  const errors = [
    ...excessScopes(caller, grant),
    ...excessFields(caller, grant),
    ...excessNetworks(own.networks, grant),
  ];
  if (errors.length > 0) throw new ProblemException('GRANT_EXCEEDS_CALLER', { errors });
}

function excessScopes({ scopes }: Principal, grant: Grant) {
  return grant.scopes
    .filter((scope) => !scopes.includes(scope))
    .map((scope) => ({ path: 'scopes', message: `the caller does not hold ${scope}` }));
}

function excessFields({ userFields }: Principal, grant: Grant) {
  if (userFields === undefined) return [];
  const held = new Set<string>(userFields);
  if (grant.userFields?.every((field) => held.has(field))) return [];
  const message = `the caller may see only ${[...held].join(', ')}`;
  return [{ path: 'userFields', message }];
}

function excessNetworks(own: readonly string[], { networks }: Grant) {
  if (own.length === 0 || networks?.every((network) => isPartOf(network, own))) return [];
  return [{ path: 'networks', message: `the caller must come from ${own.join(', ')}` }];
}
