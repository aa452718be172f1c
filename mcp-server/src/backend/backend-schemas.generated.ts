// Generated from openapi.json by "npm run generate -w @latchkey/mcp-server".
import { z } from 'zod';

export const userSchema = z.object({
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  email: z.string().optional(),
  name: z.string().optional(),
  phone: z.string().nullable().optional(),
  roles: z.array(z.string()).optional(),
  permissions: z.array(z.string()).optional(),
  createdAt: z.iso.datetime().optional(),
  lastLoginAt: z.iso.datetime().nullable().optional(),
});
export type User = z.infer<typeof userSchema>;

export const userResponseSchema = z.object({ user: userSchema });
export type UserResponse = z.infer<typeof userResponseSchema>;

export const accountSchema = z.object({
  id: z.string().optional(),
  type: z.enum(['checking', 'savings', 'credit']),
  currency: z.string(),
  balance: z.string(),
});
export type Account = z.infer<typeof accountSchema>;

export const accountsResponseSchema = z.object({ accounts: z.array(accountSchema) });
export type AccountsResponse = z.infer<typeof accountsResponseSchema>;

export const userWithAccountsSchema = z.object({
  user: userSchema,
  accounts: z.array(accountSchema).optional(),
});
export type UserWithAccounts = z.infer<typeof userWithAccountsSchema>;

export const userPageWithAccountsSchema = z.object({
  users: z.array(userSchema),
  nextCursor: z.string().nullable().optional(),
  accounts: z.record(z.string(), z.array(accountSchema)).optional(),
});
export type UserPageWithAccounts = z.infer<typeof userPageWithAccountsSchema>;
