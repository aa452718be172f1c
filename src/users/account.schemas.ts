import { z } from 'zod';
import { AccountType } from '../generated/prisma/enums.js';

export const EXAMPLE_ACCOUNT = {
  id: '019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90',
  type: AccountType.checking,
  currency: 'USD',
  balance: '2543.75',
};

const accountTypeSchema = z.enum(AccountType).meta({ example: EXAMPLE_ACCOUNT.type });

export const listAccountsSchema = z.strictObject({ type: accountTypeSchema.optional() });
export type ListAccounts = z.output<typeof listAccountsSchema>;

const accountSchema = z
  .object({
    id: z.string(),
    type: accountTypeSchema,
    currency: z.string().meta({ description: 'ISO 4217.' }),
    balance: z.string().meta({
      description: 'A decimal number as a string, because clients round large JSON numbers.',
    }),
  })
  .meta({ id: 'Account', example: EXAMPLE_ACCOUNT });
export type Account = z.infer<typeof accountSchema>;

export const accountListSchema = z.array(accountSchema);

export const accountsResponseSchema = z
  .object({ accounts: accountListSchema })
  .meta({ id: 'AccountsResponse' });
