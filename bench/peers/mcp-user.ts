import type { IncomingMessage } from 'node:http';
import { jwtVerify } from 'jose';

const { JWT_SECRET = '', JWT_ISSUER = '', MCP_PUBLIC_URL = '' } = process.env;
const secret = new TextEncoder().encode(JWT_SECRET);

/** The user id in a request's access token, or undefined if the token is missing or wrong. */
export async function verifiedUser({ headers }: IncomingMessage): Promise<string | undefined> {
  const token = headers.authorization?.replace(/^Bearer /, '') ?? '';
  const options = { algorithms: ['HS256'], issuer: JWT_ISSUER, audience: MCP_PUBLIC_URL };
  try {
    return (await jwtVerify(token, secret, options)).payload.sub;
  } catch {
    return undefined;
  }
}
