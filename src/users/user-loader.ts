import { Injectable } from '@nestjs/common';
import { DatabaseGuard } from '../prisma/database-guard.js';
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
  private readonly users = new BatchLoader((ids) => this.read(ids));

  constructor(
    private readonly pool: DatabasePool,
    private readonly guard: DatabaseGuard,
  ) {}

  /** Calls the observer with the number of look-ups by id that share each statement. */
  observeBatches(observer: (size: number) => void): void {
    this.users.observe(observer);
  }

  /** Returns the JSON of a user; undefined if there is none. */
  find(id: string): Promise<string | undefined> {
    return this.users.find(id);
  }

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

  private async query(name: string, condition: string, values: unknown[]): Promise<UserRow[]> {
    const text = `SELECT ${USER_COLUMNS} FROM users WHERE ${condition}`;
    const rows = await this.guard.run(READ, () =>
      this.pool.fetchRows<UserRow>({ name, text, values, rowMode: 'array', types: AS_TEXT }),
    );
    return rows;
  }
}
