import { USER_FIELDS, type UserField } from '../../users/user.schemas.js';
import type { IssuedKey } from '../issued-key-cache.js';
import { type Budget, budgetsOf } from '../principal.js';
import { type NetworkSet, ANYWHERE, NOWHERE, toNetworkSet } from '../network.js';
import { SCOPES, type Scope } from '../scopes.js';

/**
 * The columns of an `IssuedKeyRow`. Times are milliseconds since the epoch. Lists are text, because
 * the driver would spend a third of its CPU time per row on parsing arrays.
 */
export const ISSUED_KEY_COLUMNS = `
  id, encode(digest, 'hex') AS digest, revision::text,
  array_to_string(scopes, ' ') AS scopes, array_to_string(user_fields, ' ') AS user_fields,
  array_to_string(write_fields, ' ') AS write_fields, array_to_string(networks, ' ') AS networks,
  rate_limit, budgets,
  revoked_at IS NOT NULL AS revoked,
  (extract(epoch FROM least(expires_at, retires_at)) * 1000)::float8 AS expires_at,
  (extract(epoch FROM rotated_at) * 1000)::float8 AS rotated_at`;

export interface IssuedKeyRow {
  readonly id: string;
  readonly digest: string;
  readonly revision: string;
  readonly scopes: string;
  readonly user_fields: string | null;
  readonly write_fields: string | null;
  readonly networks: string | null;
  readonly rate_limit: number | null;
  readonly budgets: unknown;
  readonly revoked: boolean;
  readonly expires_at: number;
  readonly rotated_at: number | null;
}

/** Converts rows to keys. Equal scopes, fields, networks and budgets share an object in memory. */
export class IssuedKeyReader {
  private readonly scopes = new Interned(toScopes);
  private readonly userFields = new Interned(toUserFields);
  private readonly networks = new Interned(toNetworks);
  private readonly budgets = new Map<string, Budget>();

  read(row: IssuedKeyRow): IssuedKey {
    return {
      id: row.id,
      digest: Buffer.from(row.digest, 'hex').toString('binary'),
      revision: BigInt(row.revision),
      isRevoked: row.revoked,
      expiresAt: row.expires_at,
      networks: this.networks.get(row.networks),
      principal: {
        keyId: row.id,
        isRoot: false,
        scopes: this.scopes.get(row.scopes),
        readFields: this.userFields.get(row.user_fields),
        writeFields: this.userFields.get(row.write_fields),
        budgets: this.readBudgets(row),
        deprecatedSince: row.rotated_at ?? undefined,
        sunsetAt: row.rotated_at === null ? undefined : row.expires_at,
      },
    };
  }

  private readBudgets({ id, rate_limit: rateLimit, budgets }: IssuedKeyRow): readonly Budget[] {
    return budgetsOf({ id, rateLimit, budgets }).map((budget) =>
      budget.keyId === id ? budget : this.share(budget),
    );
  }

  private share(budget: Budget): Budget {
    const name = `${budget.keyId} ${budget.rateLimit}`;
    const known = this.budgets.get(name) ?? budget;
    this.budgets.set(name, known);
    return known;
  }
}

class Interned<Value> {
  private readonly known = new Map<string, { readonly value: Value }>();

  constructor(private readonly make: (words: readonly string[]) => Value) {}

  get(list: string | null): Value {
    const text = list ?? '';
    const known = this.known.get(text);
    if (known !== undefined) return known.value;
    const value = this.make(text === '' ? [] : text.split(' '));
    this.known.set(text, { value });
    return value;
  }
}

// Ignores scopes that this release does not know: a newer release may have written the row.
function toScopes(stored: readonly string[]): readonly Scope[] {
  return SCOPES.filter((scope) => stored.includes(scope));
}

function toUserFields(stored: readonly string[]): ReadonlySet<UserField> | undefined {
  if (stored.length === 0) return undefined;
  return new Set(USER_FIELDS.filter((field) => stored.includes(field)));
}

function toNetworks(blocks: readonly string[]): NetworkSet {
  try {
    return blocks.length === 0 ? ANYWHERE : toNetworkSet(blocks);
  } catch {
    // An invalid block, written by hand, must not make all other rows unreadable.
    return NOWHERE;
  }
}
