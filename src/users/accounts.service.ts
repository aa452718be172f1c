import { Injectable } from '@nestjs/common';
import type { Prisma } from '../generated/prisma/client.js';
import type { AccountType } from '../generated/prisma/enums.js';
import { ProblemException } from '../http/problem.js';
import { PrismaService } from '../prisma/prisma.service.js';
import type { Account } from './account.schemas.js';

const SELECTED = {
  id: true,
  type: true,
  currency: true,
  balance: true,
} as const satisfies Prisma.AccountSelect;

type AccountRow = Prisma.AccountGetPayload<{ select: typeof SELECTED }>;

/** The accounts of users. */
@Injectable()
export class AccountsService {
  constructor(private readonly prisma: PrismaService) {}

  /**
   * A user's accounts, oldest first; of one type, if one is given.
   * @throws ProblemException `USER_NOT_FOUND`
   */
  async listOf(userId: string, type?: AccountType): Promise<Account[]> {
    const user = await this.prisma.user.findUnique({
      where: { id: userId },
      select: {
        accounts: {
          where: { type },
          orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
          select: SELECTED,
        },
      },
    });
    if (user === null) throw new ProblemException('USER_NOT_FOUND');
    return user.accounts.map(toAccount);
  }
}

function toAccount({ id, type, currency, balance }: AccountRow): Account {
  const decimals = Math.max(balance.decimalPlaces(), minorDigits(currency));
  return { id, type, currency, balance: balance.toFixed(decimals) };
}

/** How many decimals a currency is written with: 2 for USD, 0 for JPY. */
function minorDigits(currency: string): number {
  const parts = new Intl.NumberFormat('en', { style: 'currency', currency }).formatToParts(0);
  return parts.find(({ type }) => type === 'fraction')?.value.length ?? 0;
}
