import { hash } from 'node:crypto';
import type { AccessToken } from '@latchkey/access-tokens/verifier';
import type { AuthInfo } from '@modelcontextprotocol/server';
import { z } from 'zod';

/** The scopes of access tokens. Each tool requires one of them. */
export const SCOPES = ['balance:read', 'profile:read', 'profile:write'] as const;
export type Scope = (typeof SCOPES)[number];

/** The user on whose behalf a tool is called. Tools never see the token itself. */
export type User = Pick<AccessToken, 'userId' | 'clientId' | 'scopes'>;

const extraSchema = z.object({ userId: z.string(), clientId: z.string().optional() });

/** Returns the part of a verified token that the MCP SDK passes to the tools. */
export function toAuthInfo({ userId, clientId, scopes, expiresAt }: AccessToken): AuthInfo {
  const extra = { userId, clientId };
  return { token: '', clientId: clientId ?? 'unknown', scopes: [...scopes], expiresAt, extra };
}

export function fromAuthInfo({ extra, scopes }: AuthInfo): User {
  const { userId, clientId } = extraSchema.parse(extra);
  return { userId, clientId, scopes };
}

/** Returns a stable name for a user in log lines. The name does not reveal the user id. */
export function pseudonym(userId: string): string {
  return hash('sha256', userId).slice(0, 12);
}
