import { z } from 'zod';
import { AccountType } from '../generated/prisma/enums.js';

const accountTypeSchema = z.enum(AccountType).meta({ example: 'checking' });

export const listAccountsSchema = z.strictObject({ type: accountTypeSchema.optional() });

/** An account as every answer shows one. */
const accountSchema = z
  .object({
    id: z.string(),
    type: accountTypeSchema,
    currency: z.string().meta({ description: 'ISO 4217.', example: 'USD' }),
    balance: z.string().meta({
      description: 'A decimal number as text, since JSON numbers lose cents.',
      example: '2543.75',
    }),
  })
  .meta({ id: 'Account' });

export const accountsAnswerSchema = z
  .object({ accounts: z.array(accountSchema) })
  .meta({ id: 'AccountsAnswer' });

export type Account = z.infer<typeof accountSchema>;
