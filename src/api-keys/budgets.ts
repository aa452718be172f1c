import { z } from 'zod';
import type { Budget } from './principal.js';

/** The column `budgets`. */
export const budgetsSchema = z
  .array(z.object({ keyId: z.string(), rateLimit: z.int().positive().optional() }))
  .min(1);

interface BudgetHolder {
  readonly id: string;
  readonly rateLimit: number | null;
  readonly budgets: unknown;
}

/** The budgets that a key draws on: its own or its first predecessor's, then its issuers'. */
export function budgetsOf({ id, rateLimit, budgets }: BudgetHolder): readonly Budget[] {
  return budgetsSchema.safeParse(budgets).data ?? [ownBudget(id, rateLimit)];
}

export function ownBudget(keyId: string, rateLimit: number | null | undefined): Budget {
  return { keyId, rateLimit: rateLimit ?? undefined };
}

/** Whether a key, or the first key of its succession, was issued by a key. */
export function isBoundedByIssuer(holder: BudgetHolder): boolean {
  return budgetsOf(holder).length > 1;
}
