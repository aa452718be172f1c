import { Injectable } from '@nestjs/common';
import { DatabaseGuard } from '../prisma/database-guard.js';
import { DatabasePool } from '../prisma/database-pool.js';
import { createRowId } from '../prisma/row-id.js';
import { type CreateUser, type UpdateUser, WRITABLE_USER_FIELDS } from './user.schemas.js';
import { USER_COLUMNS, type UserColumns, asText, toUserText } from './user-text.js';

const WRITE = { circuit: 'write users', isRepeatable: false };

const COLUMNS = {
  email: 'email',
  name: 'name',
  phone: 'phone',
  roles: 'roles',
  permissions: 'permissions',
  lastLoginAt: 'last_login_at',
} as const satisfies Record<keyof UpdateUser, string>;

// For the trigger that writes the audit trail. Part of the statement, because a transaction would
// take four round trips: docs/decisions/0037-users-written-in-one-statement.md.
const AUTHOR = `author AS MATERIALIZED (
  SELECT set_config('latchkey.actor', $1, true), set_config('latchkey.acting_user', $2, true)
)`;

/** The author of a write, for the audit trail. */
export interface Author {
  /** The id of the key. */
  readonly keyId: string;
  /** The id of the user that the caller claims to act for. */
  readonly actingUser?: string | undefined;
}

/** Writes users without Prisma, and returns them as JSON text, as `UserLookups` does. */
@Injectable()
export class UserWrites {
  constructor(
    private readonly pool: DatabasePool,
    private readonly guard: DatabaseGuard,
  ) {}

  async insert({ id = createRowId(), ...user }: CreateUser, author: Author): Promise<string> {
    const { columns, values } = columnsOf({ roles: [], permissions: [], ...user });
    const places = columns.map((_, index) => `$${index + 4}`);
    const [inserted] = await this.write(
      `INSERT INTO users (id, updated_at, ${columns.join(', ')})
       SELECT $3, now(), ${places.join(', ')} FROM author RETURNING ${USER_COLUMNS}`,
      author,
      [id, ...values],
    );
    /* v8 ignore next -- one row was inserted; the compiler can't know. */
    if (inserted === undefined) throw new Error('the insertion of a user returned no row');
    return inserted;
  }

  /** The user after the change; undefined if there is none. */
  async update(id: string, changes: UpdateUser, author: Author): Promise<string | undefined> {
    const { columns, values } = columnsOf(changes);
    const assignments = columns.map((column, index) => `${column} = $${index + 4}`);
    const [updated] = await this.write(
      `UPDATE users SET updated_at = now(), ${assignments.join(', ')}
       FROM author WHERE id = $3 RETURNING ${USER_COLUMNS}`,
      author,
      [id, ...values],
    );
    return updated;
  }

  /** Returns whether the user existed. */
  async delete(id: string, author: Author): Promise<boolean> {
    const text = `DELETE FROM users USING author WHERE id = $3 RETURNING ${USER_COLUMNS}`;
    return (await this.write(text, author, [id])).length > 0;
  }

  private async write(
    statement: string,
    { keyId, actingUser = '' }: Author,
    values: readonly unknown[],
  ): Promise<string[]> {
    const rows = await this.guard.run(WRITE, () =>
      this.pool.fetchRows<UserColumns>({
        text: `WITH ${AUTHOR} ${statement}`,
        values: [keyId, actingUser, ...values],
        rowMode: 'array',
        types: asText,
      }),
    );
    return rows.map(toUserText);
  }
}

/** The columns and values of the fields that are present. */
function columnsOf(fields: UpdateUser): { columns: string[]; values: unknown[] } {
  const given = WRITABLE_USER_FIELDS.filter((field) => fields[field] !== undefined);
  return {
    columns: given.map((field) => COLUMNS[field]),
    values: given.map((field) => fields[field]),
  };
}
