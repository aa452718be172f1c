import { Injectable } from '@nestjs/common';
import { DatabaseGate } from '../prisma/database-gate.js';
import { DatabasePool } from '../prisma/database-pool.js';
import { Coalescer } from './coalescer.js';

// The session's time zone is UTC. `row_to_json` writes what `JSON.stringify` would.
const FIND_USERS = `
  SELECT users.id, row_to_json(answer)::text
  FROM users, LATERAL (
    SELECT id, email, name, phone,
           -- Null in rows that were written past the API.
           coalesce(roles, '{}') AS roles, coalesce(permissions, '{}') AS permissions,
           to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "createdAt",
           to_char(last_login_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "lastLoginAt"
  ) AS answer
  WHERE users.id = ANY($1)`;

/**
 * Users by id as JSON text, made by the database, so that no row is taken apart and put together again. All look-ups of a turn
 * of the event loop are one statement, past Prisma, whose builder takes longer than all the rest:
 * docs/decisions/0020-coalesced-look-ups.md.
 */
@Injectable()
export class UserLookups {
  private readonly users = new Coalescer((ids) => this.read(ids));

  constructor(
    private readonly pool: DatabasePool,
    private readonly gate: DatabaseGate,
  ) {}

  /** A user as every answer shows one; undefined if there is none. */
  find(id: string): Promise<string | undefined> {
    return this.users.find(id);
  }

  private async read(ids: string[]): Promise<Map<string, string>> {
    const { rows } = await this.gate.pass({ circuit: 'users read', isRepeatable: true }, () =>
      this.pool.query<[id: string, json: string]>({
        name: 'find-users',
        text: FIND_USERS,
        values: [ids],
        rowMode: 'array',
      }),
    );
    return new Map(rows);
  }
}
