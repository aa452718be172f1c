import { z } from 'zod';
import type { BackendClient } from '../backend/backend-client.js';
import type { Account } from '../backend/backend-schemas.generated.js';
import { displayName } from './display-text.js';
import { formatMoney } from './format-money.js';
import { defineTool } from './tool.js';
import { requireFields, requirePermission } from './user-requirements.js';

const accountTypeSchema = z.enum(['checking', 'savings', 'credit']);

const inputSchema = z.strictObject({
  account_type: accountTypeSchema
    .optional()
    .describe('Only accounts of this type; all accounts if it is left out.'),
});

const outputSchema = z.object({
  name: z.string().describe('How to address the user.'),
  source: z
    .enum(['backend', 'fallback'])
    .describe('Where the name is from. The accounts are always from the backend.'),
  accounts: z.array(
    z.object({
      type: accountTypeSchema,
      balance: z.string().describe('A decimal number as text, exact.'),
      currency: z.string().describe('ISO 4217.'),
      formatted: z.string().describe('The balance as people write it.'),
    }),
  ),
});

type Balance = z.infer<typeof outputSchema>;

/**
 * The tool of the original integration guide (docs/decisions/0012-fallback-data.md): greets the
 * user and lists the balances.
 */
export const getBalance = (backend: BackendClient) =>
  defineTool({
    name: 'get_balance',
    title: 'Account balance',
    description: 'Lists the balance of each bank account of the user, or of one account type.',
    scope: 'balance:read',
    annotations: { readOnlyHint: true, openWorldHint: false },
    input: inputSchema,
    output: outputSchema,
    async run({ account_type: type }, { id }, options) {
      const balances = await backend.getUserWithAccounts(id, options);
      const user = requireFields(balances.user, ['name', 'permissions']);
      requirePermission(user, 'read');
      const accounts = balances.accounts
        .filter((account) => type === undefined || account.type === type)
        .map(withFormat);
      const name = displayName(user);
      const message = [`Hello ${name}!`, ...sentences(accounts, type)].join(' ');
      return { message, structured: { name, source: user.source, accounts } };
    },
  });

function withFormat({ type, balance, currency }: Account): Balance['accounts'][number] {
  return { type, balance, currency, formatted: formatMoney(balance, currency) };
}

function sentences(accounts: Balance['accounts'], type: Account['type'] | undefined): string[] {
  if (accounts.length === 0) return [`You have no ${type === undefined ? '' : `${type} `}account.`];
  return accounts.map((account) => `Your ${account.type} balance is ${account.formatted}.`);
}
