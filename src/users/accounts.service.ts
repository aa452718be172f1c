import { Injectable } from '@nestjs/common';
import { DatabasePool } from '../prisma/database-pool.js';
import { ProblemException } from '../problems/problem.js';
import type { Account } from './account.schemas.js';
import { BatchLoader } from './batch-loader.js';

const READ = { circuit: 'read accounts', isRepeatable: true };

// Returns one row per user, so that a user without accounts differs from a missing user.
const FIND_ACCOUNTS = {
  name: 'find-accounts',
  text: `
    SELECT users.id, coalesce(owned.accounts, '[]')
    FROM users LEFT JOIN LATERAL (
      SELECT json_agg(json_build_object('id', id, 'type', type, 'currency', currency, 'balance', balance::text)
                      ORDER BY created_at, id) AS accounts
      FROM accounts WHERE user_id = users.id
    ) AS owned ON true
    WHERE users.id = ANY($1)`,
};

/** Reads accounts. All look-ups of one event-loop tick share a statement: see `BatchLoader`. */
@Injectable()
export class AccountsService {
  /** The accounts of users by user id, oldest first. */
  readonly byUser = new BatchLoader((userIds) => this.read(userIds));

  constructor(private readonly pool: DatabasePool) {}

  /** Returns a user's accounts, oldest first. @throws ProblemException `USER_NOT_FOUND` */
  async listOf(userId: string): Promise<Account[]> {
    const accounts = await this.byUser.find(userId);
    if (accounts === undefined) throw new ProblemException('USER_NOT_FOUND');
    return accounts;
  }

  private async read(userIds: string[]): Promise<Map<string, Account[]>> {
    const query = { ...FIND_ACCOUNTS, values: [userIds] };
    const rows = await this.pool.fetchRows<[userId: string, accounts: Account[]]>(READ, query);
    return new Map(rows.map(([userId, accounts]) => [userId, accounts.map(withCustomaryDecimals)]));
  }
}

/** Formats a balance with at least the decimals of its currency. */
function withCustomaryDecimals({ id, type, currency, balance }: Account): Account {
  const [whole = '', fraction = ''] = balance.split('.');
  const decimals = fraction.replace(/0+$/, '').padEnd(minorDigits(currency), '0');
  return { id, type, currency, balance: decimals === '' ? whole : `${whole}.${decimals}` };
}

// Cached without a limit, because there are few currencies of three letters.
const knownDigits = new Map<string, number>();

/** Returns the number of decimals of a currency: 2 for USD, 0 for JPY. */
function minorDigits(currency: string): number {
  const format = { style: 'currency', currency } as const;
  const digits =
    knownDigits.get(currency) ??
    Number(new Intl.NumberFormat('en', format).resolvedOptions().minimumFractionDigits);
  knownDigits.set(currency, digits);
  return digits;
}
