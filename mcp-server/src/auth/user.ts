import { hash } from 'node:crypto';
import type { AccessToken } from '@latchkey/access-tokens/verifier';
import type { AuthInfo } from '@modelcontextprotocol/server';
import { z } from 'zod';

/** The scopes of access tokens: one per group of tools. */
export const SCOPES = ['balance:read', 'profile:read', 'profile:write'] as const;
export type Scope = (typeof SCOPES)[number];

/** The user on whose behalf a tool is called, as the access token says. */
export interface User {
  readonly id: string;
  readonly clientId: string | undefined;
  readonly scopes: readonly string[];
}

const extraSchema = z.object({ userId: z.string(), clientId: z.string().optional() });

export function toUser({ userId, clientId, scopes }: AccessToken): User {
  return { id: userId, clientId, scopes };
}

/** The part of a verified token that the MCP SDK passes to the tools. They never see the token. */
export function toAuthInfo(token: AccessToken, resource: URL): AuthInfo {
  const { userId, clientId, expiresAt } = token;
  return {
    token: '',
    clientId: clientId ?? 'unknown',
    scopes: [...token.scopes],
    expiresAt,
    resource,
    extra: { userId, clientId },
  };
}

export function fromAuthInfo({ extra, scopes }: AuthInfo): User {
  const { userId, clientId } = extraSchema.parse(extra);
  return { id: userId, clientId, scopes };
}

/** Names a user in logs, the same each time, without the id. */
export function pseudonym(userId: string): string {
  return hash('sha256', userId).slice(0, 12);
}
