import { USER_FIELDS, type UserField } from '../../users/user.schemas.js';
import type { IssuedKey } from '../issued-key-cache.js';
import { type Budget, budgetsOf } from '../principal.js';
import { type NetworkSet, ANYWHERE, NOWHERE, toNetworkSet } from '../network.js';
import { SCOPES, type Scope } from '../scopes.js';

/** The columns of an `IssuedKeyRow`. Times are milliseconds since the epoch. */
export const ISSUED_KEY_COLUMNS = `
  id, encode(digest, 'hex') AS digest, revision::text, scopes, user_fields, write_fields, networks,
  rate_limit, budgets,
  revoked_at IS NOT NULL AS revoked,
  (extract(epoch FROM least(expires_at, retires_at)) * 1000)::float8 AS expires_at,
  (extract(epoch FROM rotated_at) * 1000)::float8 AS rotated_at`;

export interface IssuedKeyRow {
  readonly id: string;
  readonly digest: string;
  readonly revision: string;
  readonly scopes: readonly string[];
  readonly user_fields: readonly string[] | null;
  readonly write_fields: readonly string[] | null;
  readonly networks: readonly string[] | null;
  readonly rate_limit: number | null;
  readonly budgets: unknown;
  readonly revoked: boolean;
  readonly expires_at: number;
  readonly rotated_at: number | null;
}

/** Reads rows. Values that many keys share are stored once. */
export class IssuedKeyReader {
  private readonly scopes = new Interned(toScopes);
  private readonly userFields = new Interned(toUserFields);
  private readonly networks = new Interned(toNetworks);
  private readonly budgets = new Interned((budget: Budget) => budget);

  read(row: IssuedKeyRow): IssuedKey {
    return {
      id: row.id,
      digest: Buffer.from(row.digest, 'hex').toString('binary'),
      revision: BigInt(row.revision),
      isRevoked: row.revoked,
      expiresAt: row.expires_at,
      networks: this.networks.get(row.networks ?? []),
      principal: {
        keyId: row.id,
        isRoot: false,
        scopes: this.scopes.get(row.scopes),
        readFields: this.userFields.get(row.user_fields ?? []),
        writeFields: this.userFields.get(row.write_fields ?? []),
        budgets: this.readBudgets(row),
        deprecatedSince: row.rotated_at ?? undefined,
        sunsetAt: row.rotated_at === null ? undefined : row.expires_at,
      },
    };
  }

  private readBudgets({ id, rate_limit: rateLimit, budgets }: IssuedKeyRow): readonly Budget[] {
    return budgetsOf({ id, rateLimit, budgets }).map((budget) =>
      budget.keyId === id ? budget : this.budgets.get(budget),
    );
  }
}

class Interned<Source, Value> {
  private readonly known = new Map<string, { readonly value: Value }>();

  constructor(private readonly make: (source: Source) => Value) {}

  get(source: Source): Value {
    const name = JSON.stringify(source);
    const known = this.known.get(name) ?? { value: this.make(source) };
    this.known.set(name, known);
    return known.value;
  }
}

// Words of a newer version grant nothing.
function toScopes(words: readonly string[]): readonly Scope[] {
  return SCOPES.filter((scope) => words.includes(scope));
}

function toUserFields(words: readonly string[]): ReadonlySet<UserField> | undefined {
  if (words.length === 0) return undefined;
  return new Set(USER_FIELDS.filter((field) => words.includes(field)));
}

function toNetworks(words: readonly string[]): NetworkSet {
  try {
    return words.length === 0 ? ANYWHERE : toNetworkSet(words);
  } catch {
    // A row written by other means must not keep all others from being read.
    return NOWHERE;
  }
}
