import { Injectable } from '@nestjs/common';
import type { AccountType } from '../generated/prisma/enums.js';
import { ProblemException } from '../problems/problem.js';
import type { Account } from './account.schemas.js';
import { AccountLookups } from './account-lookups.js';

/** The accounts of users. */
@Injectable()
export class AccountsService {
  constructor(private readonly lookups: AccountLookups) {}

  /**
   * A user's accounts, oldest first; of one type, if one is given.
   * @throws ProblemException `USER_NOT_FOUND`
   */
  async listOf(userId: string, type?: AccountType): Promise<Account[]> {
    const accounts = await this.lookups.find(userId);
    if (accounts === undefined) throw new ProblemException('USER_NOT_FOUND');
    const wanted = accounts.filter((account) => type === undefined || account.type === type);
    return wanted.map(withCustomaryDecimals);
  }
}

/** The balance with as many decimals as its currency is written with, and with those that it has besides. */
function withCustomaryDecimals({ id, type, currency, balance }: Account): Account {
  const [whole = '', fraction = ''] = balance.split('.');
  const significant = fraction.replace(/0+$/, '');
  const decimals = significant.padEnd(minorDigits(currency), '0');
  return { id, type, currency, balance: decimals === '' ? whole : `${whole}.${decimals}` };
}

/** How many decimals a currency is written with: 2 for USD, 0 for JPY. */
function minorDigits(currency: string): number {
  const known = minorDigitsOf.get(currency) ?? readMinorDigits(currency);
  minorDigitsOf.set(currency, known);
  return known;
}

// A currency is three letters, so there can't be many.
const minorDigitsOf = new Map<string, number>();

function readMinorDigits(currency: string): number {
  const parts = new Intl.NumberFormat('en', { style: 'currency', currency }).formatToParts(0);
  return parts.find(({ type }) => type === 'fraction')?.value.length ?? 0;
}
