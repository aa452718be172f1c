import { Injectable } from '@nestjs/common';
import { DatabaseGuard } from '../prisma/database-guard.js';
import { DatabasePool } from '../prisma/database-pool.js';
import { Coalescer } from './coalescer.js';
import type { SearchUsers } from './user.schemas.js';
import { USER_COLUMNS, type UserColumns, asText, toUserText } from './user-text.js';

const READ = { circuit: 'read users', isRepeatable: true };

/** A user as every answer shows one, as JSON text. */
export interface UserText {
  readonly id: string;
  readonly text: string;
}

const PAGE = 'id > $1 ORDER BY id LIMIT $2';

/**
 * Reads users past Prisma, whose builder takes longer than all the rest. All look-ups by id of a turn of the event
 * loop are one statement: docs/decisions/0022-coalesced-look-ups.md.
 */
@Injectable()
export class UserLookups {
  private readonly users = new Coalescer((ids) => this.read(ids));

  constructor(
    private readonly pool: DatabasePool,
    private readonly guard: DatabaseGuard,
  ) {}

  /** Tells how many look-ups by id share each statement from now on. */
  observeBatches(observer: (size: number) => void): void {
    this.users.observe(observer);
  }

  /** The JSON text of a user; undefined if there is none. */
  find(id: string): Promise<string | undefined> {
    return this.users.find(id);
  }

  /** The first users whose ids come after one, by id: all, or those with an email or a phone. */
  async findAfter(
    id: string,
    count: number,
    criterion: Pick<SearchUsers, 'email' | 'phone'>,
  ): Promise<UserText[]> {
    const rows = await this.readAfter(id, count, criterion);
    return rows.map((row) => ({ id: row[0], text: toUserText(row) }));
  }

  private readAfter(
    id: string,
    count: number,
    { email, phone }: Pick<SearchUsers, 'email' | 'phone'>,
  ): Promise<UserColumns[]> {
    if (email !== undefined) {
      return this.query('find-users-by-email', `email = $3 AND ${PAGE}`, [id, count, email]);
    }
    if (phone !== undefined) {
      return this.query('find-users-by-phone', `phone = $3 AND ${PAGE}`, [id, count, phone]);
    }
    return this.query('find-users-after', PAGE, [id, count]);
  }

  private async read(ids: string[]): Promise<Map<string, string>> {
    const rows = await this.query('find-users', 'id = ANY($1)', [ids]);
    return new Map(rows.map((row) => [row[0], toUserText(row)]));
  }

  private async query(name: string, condition: string, values: unknown[]): Promise<UserColumns[]> {
    const rows = await this.guard.run(READ, () =>
      this.pool.fetchRows<UserColumns>({
        name,
        text: `SELECT ${USER_COLUMNS} FROM users WHERE ${condition}`,
        values,
        rowMode: 'array',
        types: asText,
      }),
    );
    return rows;
  }
}
