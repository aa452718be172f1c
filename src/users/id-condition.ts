interface IdCondition {
  /** Part of the name of the prepared statement. */
  readonly form: 'id' | 'ids';
  readonly condition: string;
  readonly values: unknown[];
}

/**
 * Returns the SQL condition that a user has one of `ids`. A single id has its own form: PostgreSQL
 * would plan `= ANY` anew for each single id, because it expects such a plan to be cheaper.
 */
export function idCondition(ids: readonly string[]): IdCondition {
  return ids.length === 1
    ? { form: 'id', condition: 'users.id = $1', values: [...ids] }
    : { form: 'ids', condition: 'users.id = ANY($1)', values: [ids] };
}
