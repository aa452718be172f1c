import { z } from 'zod';
import type { BackendClient } from '../backend/backend-client.js';
import { accountSchema } from '../backend/backend-schemas.generated.js';
import { displayName } from './display-text.js';
import { formatMoney } from './format-money.js';
import { defineTool } from './tool.js';
import { requireFields, requirePermission } from './user-requirements.js';

const accountTypeSchema = accountSchema.shape.type;

/**
 * The tool of the original integration guide (docs/decisions/0012-fallback-data.md): greets the
 * user and lists the balances.
 */
export const getBalance = (backend: BackendClient) =>
  defineTool({
    name: 'get_balance',
    title: 'Account balance',
    description:
      'Lists the balances of the user’s bank accounts, optionally of one account type only.',
    scope: 'balance:read',
    annotations: { readOnlyHint: true, openWorldHint: false },
    input: z.strictObject({
      account_type: accountTypeSchema
        .optional()
        .describe('Lists only accounts of this type. By default, all accounts are listed.'),
    }),
    output: z.object({
      name: z.string().describe('The name of the user.'),
      source: z
        .enum(['backend', 'fallback'])
        .describe(
          '"fallback": the name could not be read and is a placeholder. The accounts are never placeholders.',
        ),
      accounts: z.array(
        z.object({
          type: accountTypeSchema,
          balance: z.string().describe('An exact decimal number, as text.'),
          currency: z.string().describe('ISO 4217.'),
          formatted: z.string().describe('The balance formatted for display.'),
        }),
      ),
    }),
    async run({ account_type: wanted }, { userId }, options) {
      const { user, accounts: all } = await backend.getUserWithAccounts(userId, options);
      requireFields(user, ['name']);
      requirePermission(user, 'read');
      const name = displayName(user);
      const accounts = all
        .filter(({ type }) => wanted === undefined || type === wanted)
        .map(({ type, balance, currency }) => {
          const formatted = formatMoney(balance, currency);
          return { type, balance, currency, formatted };
        });
      const sentences = accounts.map((each) => `Your ${each.type} balance is ${each.formatted}.`);
      const kind = wanted === undefined ? '' : `${wanted} `;
      if (accounts.length === 0) sentences.push(`You have no ${kind}account.`);
      const message = [`Hello ${name}!`, ...sentences].join(' ');
      return { message, structured: { name, source: user.source, accounts } };
    },
  });
