import { Injectable } from '@nestjs/common';
import { DatabasePool } from '../prisma/database-pool.js';
import { ProblemException } from '../problems/problem.js';
import type { Account } from './account.schemas.js';
import { BatchLoader } from './batch-loader.js';
import { idCondition } from './id-condition.js';
import { AS_TEXT, USER_COLUMNS, type UserRow, toUserJson } from './user-json.js';
import type { UserJsonPage } from './users.service.js';

const READ = { circuit: 'read accounts', isRepeatable: true };

// Returns a row for every existing user, so that a user without accounts differs from an unknown
// id. The row also has the columns of the user: most callers need them, and a second statement
// would take longer.
const USERS_WITH_ACCOUNTS = `
    SELECT coalesce(owned.accounts, '[]'), ${USER_COLUMNS}
    FROM users LEFT JOIN LATERAL (
      SELECT json_agg(json_build_object('id', id, 'type', type, 'currency', currency, 'balance', balance::text)
                      ORDER BY created_at, id) AS accounts
      FROM accounts WHERE user_id = users.id
    ) AS owned ON true
`;

/** A user as JSON text, and its accounts, oldest first. */
interface UserWithAccounts {
  readonly json: string;
  readonly accounts: Account[];
}

/** Reads accounts. All look-ups of one event-loop tick share a statement: see `BatchLoader`. */
@Injectable()
export class AccountsService {
  /** Users with their accounts, by user id. */
  readonly byUser = new BatchLoader((userIds) => this.read(userIds));

  constructor(private readonly pool: DatabasePool) {}

  /** Returns a user with its accounts, oldest first. @throws ProblemException `USER_NOT_FOUND` */
  async getUser(userId: string): Promise<UserWithAccounts> {
    const found = await this.byUser.find(userId);
    if (found === undefined) throw new ProblemException('USER_NOT_FOUND');
    return found;
  }

  /** Returns the users with `ids`, in this order, and their accounts. */
  async listUsers(ids: readonly string[]): Promise<UserJsonPage> {
    const found = Array.from(await this.byUser.findMany(ids));
    return {
      users: found.map(([id, { json }]) => ({ id, json })),
      nextCursor: null,
      accounts: Object.fromEntries(found.map(([id, { accounts }]) => [id, accounts])),
    };
  }

  private async read(userIds: string[]): Promise<Map<string, UserWithAccounts>> {
    const { form, condition, values } = idCondition(userIds);
    const query = {
      name: `find-users-with-accounts-by-${form}`,
      text: `${USERS_WITH_ACCOUNTS} WHERE ${condition}`,
      values,
      types: AS_TEXT,
    };
    const rows = await this.pool.fetchRows<[accounts: string, ...user: UserRow]>(READ, query);
    return new Map(
      rows.map(([accounts, ...user]) => [
        user[0],
        { json: toUserJson(user), accounts: toAccounts(accounts) },
      ]),
    );
  }
}

function toAccounts(json: string): Account[] {
  const accounts: Account[] = JSON.parse(json);
  return accounts.map(withCustomaryDecimals);
}

/** Formats the balance with at least as many decimals as its currency has. */
function withCustomaryDecimals({ id, type, currency, balance }: Account): Account {
  const [whole = '', fraction = ''] = balance.split('.');
  const decimals = fraction.replace(/0+$/, '').padEnd(minorDigits(currency), '0');
  return { id, type, currency, balance: decimals === '' ? whole : `${whole}.${decimals}` };
}

// Cached without a limit, because the database permits only currencies of three letters.
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
