import { Injectable } from '@nestjs/common';
import { DatabaseGate } from '../prisma/database-gate.js';
import { DatabasePool } from '../prisma/database-pool.js';
import { Coalescer } from './coalescer.js';
import { USER_COLUMNS, type UserColumns, toUserText } from './user-text.js';

const READ = { circuit: 'read users', isRepeatable: true };
const asText = { getTypeParser: () => (text: string) => text };

/**
 * Users by id, as JSON text. All look-ups of a turn of the event loop are one statement, past Prisma, whose builder takes
 * longer than all the rest: docs/decisions/0022-coalesced-look-ups.md.
 */
@Injectable()
export class UserLookups {
  private readonly users = new Coalescer((ids) => this.read(ids));

  constructor(
    private readonly pool: DatabasePool,
    private readonly gate: DatabaseGate,
  ) {}

  /** Tells how many look-ups share each statement from now on. */
  observeBatches(observer: (size: number) => void): void {
    this.users.observe(observer);
  }

  /** A user as every answer shows one; undefined if there is none. */
  find(id: string): Promise<string | undefined> {
    return this.users.find(id);
  }

  private async read(ids: string[]): Promise<Map<string, string>> {
    const { rows } = await this.gate.pass(READ, () =>
      this.pool.query<UserColumns>({
        name: 'find-users',
        text: `SELECT ${USER_COLUMNS} FROM users WHERE id = ANY($1)`,
        values: [ids],
        rowMode: 'array',
        types: asText,
      }),
    );
    return new Map(rows.map((row) => [row[0], toUserText(row)]));
  }
}
