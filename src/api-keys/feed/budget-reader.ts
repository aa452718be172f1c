import { type Budget, budgetsSchema } from '../principal.js';

/** Reads the column `budgets`. Keys of one issuer share the objects for its budgets. */
export class BudgetReader {
  private readonly shared = new Map<string, Budget>();

  read(own: Budget, column: unknown): readonly Budget[] {
    if (column === null) return [own];
    const { data } = budgetsSchema.safeParse(column);
    if (data === undefined) return [own];
    return data.map((budget) => (budget.keyId === own.keyId ? own : this.share(budget)));
  }

  private share(budget: Budget): Budget {
    const name = `${budget.keyId} ${budget.rateLimit}`;
    const known = this.shared.get(name) ?? budget;
    this.shared.set(name, known);
    return known;
  }
}
