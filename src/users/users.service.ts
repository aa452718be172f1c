import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { DatabasePool } from '../prisma/database-pool.js';
import { violatedConstraint } from '../prisma/database-error.js';
import { createRowId } from '../prisma/row-id.js';
import { type ProblemCode, ProblemException } from '../problems/problem.js';
import type { Account } from './account.schemas.js';
import { BatchLoader } from './batch-loader.js';
import { idCondition } from './id-condition.js';
import { AS_TEXT, USER_COLUMNS, type UserRow, toUserJson } from './user-json.js';
import { columnOf } from './user-fields.js';
import {
  type CreateUser,
  type ListUsers,
  type SearchUsers,
  type UpdateUser,
  encodeCursor,
} from './user.schemas.js';

const READ = { circuit: 'read users', isRepeatable: true };
const WRITE = { circuit: 'write users', isRepeatable: false };
const PAGE = 'id > $1 ORDER BY id LIMIT $2';

// Passes the author to the audit trigger within the statement itself, because a transaction would
// take four round trips: docs/decisions/0037-users-written-in-one-statement.md.
const AUTHOR = `author AS MATERIALIZED (
  SELECT set_config('latchkey.actor', $1, true), set_config('latchkey.acting_user', $2, true)
)`;

const PROBLEMS: Readonly<Record<string, ProblemCode>> = {
  users_pkey: 'USER_ID_TAKEN',
  users_email_key: 'EMAIL_TAKEN',
  accounts_user_id_fkey: 'USER_HAS_ACCOUNTS',
};

export interface Author {
  readonly keyId: string;
  /** The id of the user that the caller claims to act for. */
  readonly actingUser?: string | undefined;
}

/** Users as the JSON text that responses contain. */
export interface UserJsonPage {
  readonly users: readonly { readonly id: string; readonly json: string }[];
  readonly nextCursor: string | null;
  /** By user id; absent if the caller did not request accounts. */
  readonly accounts?: Readonly<Record<string, readonly Account[]>>;
}

/**
 * Reads and writes users, and returns them as the JSON text that responses contain. This service
 * does not use Prisma, whose query builder takes longer than the rest of a look-up. All look-ups by
 * id in one event-loop tick share a statement: docs/decisions/0022-coalesced-look-ups.md.
 */
@Injectable()
export class UsersService {
  readonly byId = new BatchLoader((ids) => this.readAll(ids));

  constructor(
    private readonly pool: DatabasePool,
    private readonly config: ConfigService<Environment, true>,
  ) {}

  /** @throws ProblemException `USER_NOT_FOUND` */
  async get(id: string): Promise<string> {
    return orNotFound(await this.byId.find(id));
  }

  /**
   * Returns the users with `ids`, in the order of `ids`. Without `ids`, returns a page of all users
   * in ascending order of id.
   */
  async list({ ids, limit, cursor }: ListUsers): Promise<UserJsonPage> {
    if (ids === undefined) return this.search({ limit, cursor });
    const found = await this.byId.findMany(ids);
    return { users: Array.from(found, ([id, json]) => ({ id, json })), nextCursor: null };
  }

  /** Returns a page of the users with this email or phone, or of all users if both are absent. */
  async search({ limit, cursor = '', email, phone }: SearchUsers): Promise<UserJsonPage> {
    // The query asks for one more row, which shows whether there is a next page.
    const page = [cursor, limit + 1];
    const rows =
      email !== undefined
        ? await this.read('find-users-by-email', `email = $3 AND ${PAGE}`, [...page, email])
        : phone !== undefined
          ? await this.read('find-users-by-phone', `phone = $3 AND ${PAGE}`, [...page, phone])
          : await this.read('find-users-after', PAGE, page);
    const users = rows.slice(0, limit).map((row) => ({ id: row[0], json: toUserJson(row) }));
    const last = users.at(-1);
    return { users, nextCursor: rows.length > limit && last ? encodeCursor(last.id) : null };
  }

  /** @throws ProblemException `USER_ID_TAKEN` or `EMAIL_TAKEN` */
  async create(user: CreateUser, author: Author): Promise<string> {
    const permissions = this.config.get('NEW_USER_PERMISSIONS', { infer: true });
    const row = { id: createRowId(), roles: [], permissions, ...user };
    const { columns, values, placeholders } = assignmentsOf(row, 3);
    const statement = `INSERT INTO users (updated_at, ${columns}) SELECT now(), ${placeholders} FROM author`;
    return orNotFound(await this.write(statement, author, values));
  }

  /** @throws ProblemException `USER_NOT_FOUND` or `EMAIL_TAKEN` */
  async update(id: string, changes: UpdateUser, author: Author): Promise<string> {
    const { columns, values, placeholders } = assignmentsOf(changes, 4);
    const statement = `UPDATE users SET (updated_at, ${columns}) = ROW (now(), ${placeholders}) FROM author WHERE id = $3`;
    return orNotFound(await this.write(statement, author, [id, ...values]));
  }

  /** @throws ProblemException `USER_NOT_FOUND` or `USER_HAS_ACCOUNTS` */
  async delete(id: string, author: Author): Promise<void> {
    orNotFound(await this.write('DELETE FROM users USING author WHERE id = $3', author, [id]));
  }

  private async readAll(ids: string[]): Promise<Map<string, string>> {
    const { form, condition, values } = idCondition(ids);
    const rows = await this.read(`find-users-by-${form}`, condition, values);
    return new Map(rows.map((row) => [row[0], toUserJson(row)]));
  }

  private read(name: string, condition: string, values: unknown[]): Promise<UserRow[]> {
    const text = `SELECT ${USER_COLUMNS} FROM users WHERE ${condition}`;
    return this.pool.fetchRows<UserRow>(READ, { name, text, values, types: AS_TEXT });
  }

  /** Writes a user. Returns its JSON, or undefined if no user has the id. */
  private async write(
    statement: string,
    { keyId, actingUser = '' }: Author,
    values: readonly unknown[],
  ): Promise<string | undefined> {
    const query = {
      text: `WITH ${AUTHOR} ${statement} RETURNING ${USER_COLUMNS}`,
      values: [keyId, actingUser, ...values],
      types: AS_TEXT,
    };
    try {
      const rows = await this.pool.fetchRows<UserRow>(WRITE, query);
      return rows.map(toUserJson)[0];
    } catch (error) {
      const code = PROBLEMS[violatedConstraint(error) ?? ''];
      throw code === undefined ? error : new ProblemException(code);
    }
  }
}

/** Returns the columns, values and placeholders (`$3, $4`) of the fields that are present. */
function assignmentsOf(fields: CreateUser | UpdateUser, firstParameter: number) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return {
    columns: given.map(([name]) => columnOf(name)).join(', '),
    values: given.map(([, value]) => value),
    placeholders: given.map((_, index) => `$${firstParameter + index}`).join(', '),
  };
}

function orNotFound(json: string | undefined): string {
  if (json === undefined) throw new ProblemException('USER_NOT_FOUND');
  return json;
}
