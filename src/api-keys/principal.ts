import { z } from 'zod';
import type { UserField } from '../users/user.schemas.js';
import type { Scope } from './scopes.js';

const budgetSchema = z.object({
  /** The owner of the budget: the key itself, its first predecessor, or an issuer. */
  keyId: z.string(),
  /** Requests per minute; undefined for the server's default. */
  rateLimit: z.int().positive().optional(),
});
const budgetsSchema = z.array(budgetSchema).min(1);

/** A rate limit that a key shares with its successors and with the keys that it issued. */
export type Budget = z.infer<typeof budgetSchema>;

/** A caller, identified by its key. */
export interface Principal {
  /** Identifies the key in logs; not secret. */
  readonly keyId: string;
  /** Whether the key is a root key, which has every scope. */
  readonly isRoot: boolean;
  readonly scopes: readonly Scope[];
  /** The fields of users that the caller may read if it holds `users:read`; undefined for all. */
  readonly readFields: ReadonlySet<UserField> | undefined;
  /** The fields of users that the caller may write if it holds `users:write`; undefined for all. */
  readonly writeFields: ReadonlySet<UserField> | undefined;
  /** The budgets against which each request counts, the key's own first. Empty for root keys. */
  readonly budgets: readonly Budget[];
  /** When the key got a successor, in milliseconds since the epoch. */
  readonly deprecatedSince?: number | undefined;
  /** When a key with a successor stops being valid, in milliseconds since the epoch. */
  readonly sunsetAt?: number | undefined;
}

/** A principal that changes keys. */
export interface KeyAdmin extends Principal {
  /** The person that the principal claims to act for; not verified. */
  readonly actingUser?: string | undefined;
}

/** Returns the actor for the audit trail. A caller can choose the acting user, but not the key. */
export function actorOf({ keyId, actingUser }: KeyAdmin): string {
  return actingUser === undefined ? keyId : `${keyId}:${actingUser}`;
}

interface BudgetHolder {
  readonly id: string;
  readonly rateLimit: number | null;
  readonly budgets: unknown;
}

/** Returns the budget of the key or of its first predecessor, then the budgets of its issuers. */
export function budgetsOf({ id, rateLimit, budgets }: BudgetHolder): readonly Budget[] {
  const own = [ownBudget(id, rateLimit)];
  return budgets === null ? own : (budgetsSchema.safeParse(budgets).data ?? own);
}

export function ownBudget(keyId: string, rateLimit: number | null | undefined): Budget {
  return { keyId, rateLimit: rateLimit ?? undefined };
}

/** Whether an issued key created this key or its first predecessor. */
export function isBoundedByIssuer(holder: BudgetHolder): boolean {
  return budgetsOf(holder).length > 1;
}
