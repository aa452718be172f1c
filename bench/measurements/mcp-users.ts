import { randomBytes } from 'node:crypto';
import { mintAccessToken } from '@latchkey/access-tokens/mint';

const USERS = 100;
const LIFETIME_SECONDS = 3600;
const PUBLIC_URL = 'https://mcp.example/mcp';
const ISSUER = 'https://issuer.example';
const SECRET = randomBytes(32).toString('hex');

/** Variables of an MCP server that accepts the minted tokens and has a very high rate limit. */
export const MCP_SERVER_VARIABLES = {
  MCP_PUBLIC_URL: PUBLIC_URL,
  MCP_RATE_LIMIT: '1000000',
  JWT_ISSUER: ISSUER,
  JWT_SECRET: SECRET,
};

/** Creates access tokens for the users with the ids 1 to 100. */
export function mintTokens(): Promise<string[]> {
  const userIds = Array.from({ length: USERS }, (_, index) => String(index + 1));
  return Promise.all(
    userIds.map((userId) =>
      mintAccessToken({
        secret: SECRET,
        issuer: ISSUER,
        audience: PUBLIC_URL,
        userId,
        clientId: 'latchkey-bench',
        scopes: ['balance:read'],
        lifetimeSeconds: LIFETIME_SECONDS,
      }),
    ),
  );
}
