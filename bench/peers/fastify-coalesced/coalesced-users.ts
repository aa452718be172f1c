import { Pool, type PoolConfig } from 'pg';
import { USER_COLUMNS, type UserRow } from '../user-response.js';

interface PendingLookUp {
  id: string;
  resolve: (user: UserRow | undefined) => void;
  reject: (reason: unknown) => void;
}

/** Combines all look-ups of one event-loop tick into one query. */
export class CoalescedUsers {
  private readonly pool: Pool;
  private pending: PendingLookUp[] = [];

  constructor(database: PoolConfig) {
    this.pool = new Pool(database);
  }

  find(id: string): Promise<UserRow | undefined> {
    return new Promise((resolve, reject) => {
      if (this.pending.push({ id, resolve, reject }) === 1) setImmediate(() => void this.flush());
    });
  }

  private async flush(): Promise<void> {
    const batch = this.pending;
    this.pending = [];
    try {
      const found = await this.query(batch.map(({ id }) => id));
      for (const { id, resolve } of batch) resolve(found.get(id));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  private async query(ids: string[]): Promise<Map<string, UserRow>> {
    const { rows } = await this.pool.query<UserRow>({
      name: 'find-users',
      text: `SELECT ${USER_COLUMNS} FROM users WHERE id = ANY($1)`,
      values: [ids],
    });
    return new Map(rows.map((row) => [row.id, row]));
  }
}
