import { Injectable } from '@nestjs/common';
import { DatabaseGuard } from '../prisma/database-guard.js';
import { DatabasePool } from '../prisma/database-pool.js';
import type { Account } from './account.schemas.js';
import { Coalescer } from './coalescer.js';

const READ = { circuit: 'read accounts', isRepeatable: true };

// One row a user, so that one without accounts is told from one that does not exist.
const FIND_ACCOUNTS = `
  SELECT users.id, coalesce(owned.accounts, '[]')
  FROM users LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('id', id, 'type', type, 'currency', currency, 'balance', balance::text)
                    ORDER BY created_at, id) AS accounts
    FROM accounts WHERE user_id = users.id
  ) AS owned ON true
  WHERE users.id = ANY($1)`;

/** The accounts are oldest first; each balance has all the decimals of its column. */
type AccountsOfUser = [userId: string, accounts: readonly Account[]];

/** Accounts by user. All look-ups of a turn of the event loop are one statement: see `UserLookups`. */
@Injectable()
export class AccountLookups {
  private readonly accounts = new Coalescer((userIds) => this.read(userIds));

  constructor(
    private readonly pool: DatabasePool,
    private readonly guard: DatabaseGuard,
  ) {}

  /** A user's accounts, oldest first; undefined if there is no such user. */
  find(userId: string): Promise<readonly Account[] | undefined> {
    return this.accounts.find(userId);
  }

  private async read(userIds: string[]): Promise<Map<string, readonly Account[]>> {
    const rows = await this.guard.run(READ, () =>
      this.pool.fetchRows<AccountsOfUser>({
        name: 'find-accounts',
        text: FIND_ACCOUNTS,
        values: [userIds],
        rowMode: 'array',
      }),
    );
    return new Map(rows);
  }
}
