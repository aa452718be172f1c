import { SignJWT } from 'jose';

export interface TokenRequest {
  readonly secret: string;
  readonly issuer: string;
  readonly audience: string | string[];
  readonly userId: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly lifetimeSeconds: number;
}

/** Creates an access token for development and tests, signed with the verifier's secret (HS256). */
export async function mintAccessToken(request: TokenRequest): Promise<string> {
  return new SignJWT({ scope: request.scopes.join(' '), client_id: request.clientId })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
    .setIssuer(request.issuer)
    .setAudience(request.audience)
    .setSubject(request.userId)
    .setIssuedAt()
    .setExpirationTime(`${request.lifetimeSeconds} s`)
    .sign(new TextEncoder().encode(request.secret));
}
