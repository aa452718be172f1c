import { mintAccessToken, type TokenRequest } from '@latchkey/access-tokens/mint';

/** The audience of test tokens, and `MCP_PUBLIC_URL` of test servers, whose real port is random. */
export const AUDIENCE = 'http://localhost:3001/mcp';
export const JWT_SECRET = '5b1f9c3e7a2d48f6b0c4e8d2a6f1937c';

/** Creates a token for a user. The token is valid unless `fields` makes it invalid. */
export function token(userId: string, fields: Partial<TokenRequest> = {}): Promise<string> {
  return mintAccessToken({
    secret: JWT_SECRET,
    issuer: 'latchkey-development',
    audience: AUDIENCE,
    userId,
    clientId: 'tests',
    scopes: ['balance:read', 'profile:read', 'profile:write'],
    lifetimeSeconds: 600,
    ...fields,
  });
}
