import { Injectable } from '@nestjs/common';
import { DatabasePool } from '../prisma/database-pool.js';
import { BatchLoader } from './batch-loader.js';
import type { SearchUsers } from './user.schemas.js';
import { AS_TEXT, USER_COLUMNS, type UserRow, toUserJson } from './user-json.js';

const READ = { circuit: 'read users', isRepeatable: true };
const PAGE = 'id > $1 ORDER BY id LIMIT $2';

type Criterion = Pick<SearchUsers, 'email' | 'phone'>;

/** A user in the form of responses, as JSON text. */
export interface UserJson {
  readonly id: string;
  readonly json: string;
}

/**
 * Reads users past Prisma, whose query builder takes longer than the rest of a look-up. All
 * look-ups by id of an event-loop tick share a statement:
 * docs/decisions/0022-coalesced-look-ups.md.
 */
@Injectable()
export class UserLoader {
  /** The JSON of users by id. */
  readonly byId = new BatchLoader((ids) => this.read(ids));

  constructor(private readonly pool: DatabasePool) {}

  /** Returns the first users after an id, by id: all, or those with an email or a phone. */
  async findAfter(id: string, count: number, { email, phone }: Criterion): Promise<UserJson[]> {
    const rows =
      email !== undefined
        ? await this.query('find-users-by-email', `email = $3 AND ${PAGE}`, [id, count, email])
        : phone !== undefined
          ? await this.query('find-users-by-phone', `phone = $3 AND ${PAGE}`, [id, count, phone])
          : await this.query('find-users-after', PAGE, [id, count]);
    return rows.map((row) => ({ id: row[0], json: toUserJson(row) }));
  }

  private async read(ids: string[]): Promise<Map<string, string>> {
    const rows = await this.query('find-users', 'id = ANY($1)', [ids]);
    return new Map(rows.map((row) => [row[0], toUserJson(row)]));
  }

  private query(name: string, condition: string, values: unknown[]): Promise<UserRow[]> {
    const text = `SELECT ${USER_COLUMNS} FROM users WHERE ${condition}`;
    return this.pool.fetchRows<UserRow>(READ, { name, text, values, types: AS_TEXT });
  }
}
