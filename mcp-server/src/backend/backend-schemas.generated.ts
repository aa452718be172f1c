// Generated from openapi.json by "npm run generate -w @latchkey/mcp-server".
import { z } from 'zod';

export const userSchema = z.object({
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  email: z.string(),
  name: z.string(),
  phone: z.string().nullable(),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
  createdAt: z.iso.datetime(),
  lastLoginAt: z.iso.datetime().nullable(),
});
export type User = z.infer<typeof userSchema>;

export const userAnswerSchema = z.object({ user: userSchema });
export type UserAnswer = z.infer<typeof userAnswerSchema>;

export const userPageSchema = z.object({
  users: z.array(userSchema),
  nextCursor: z.string().nullable(),
});
export type UserPage = z.infer<typeof userPageSchema>;

export const accountSchema = z.object({
  id: z.string(),
  type: z.enum(['checking', 'savings', 'credit']),
  currency: z.string(),
  balance: z.string(),
});
export type Account = z.infer<typeof accountSchema>;

export const accountsAnswerSchema = z.object({ accounts: z.array(accountSchema) });
export type AccountsAnswer = z.infer<typeof accountsAnswerSchema>;
