import { z } from 'zod';
import { AccountType } from '../generated/prisma/enums.js';

const accountTypeSchema = z.enum(AccountType).meta({ example: 'checking' });

export const listAccountsSchema = z.strictObject({ type: accountTypeSchema.optional() });
export type ListAccounts = z.output<typeof listAccountsSchema>;

/** An account in a response. */
const accountSchema = z
  .object({
    id: z.string().meta({ example: '019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90' }),
    type: accountTypeSchema,
    currency: z.string().meta({ description: 'ISO 4217.', example: 'USD' }),
    balance: z.string().meta({
      description: 'A decimal number as text, since JSON numbers lose cents.',
      example: '2543.75',
    }),
  })
  .meta({ id: 'Account' });
export type Account = z.infer<typeof accountSchema>;

/** The accounts of a user. */
export const accountListSchema = z.array(accountSchema);

export const accountsAnswerSchema = z
  .object({ accounts: accountListSchema })
  .meta({ id: 'AccountsAnswer' });
