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
