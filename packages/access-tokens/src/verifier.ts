import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import { z } from 'zod';
import { USER_ID } from './user-id.js';

const CLOCK_TOLERANCE_SECONDS = 30;
const JWKS_TIMEOUT_MS = 3000;
const PAUSE_AFTER_FAILURE_MS = 5000;
// RFC 6749: a scope consists of visible ASCII characters except " and \.
const SCOPES = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;

// jose checks the types of only some claims, and accepts 1e999, which JSON.parse reads as Infinity.
const accessTokenSchema = z
  .object({
    iss: z.string(),
    aud: z.union([z.string(), z.array(z.string())]),
    sub: z.string().regex(USER_ID),
    exp: z.int(),
    nbf: z.number().optional(),
    iat: z.number().optional(),
    scope: z.union([z.literal(''), z.string().regex(SCOPES)]).default(''),
    client_id: z.string().optional(),
  })
  .transform(({ sub, client_id: clientId, scope, exp }) => ({
    userId: sub,
    clientId,
    scopes: scope === '' ? [] : scope.split(' '),
    /** Seconds since the epoch. */
    expiresAt: exp,
  }));
export type AccessToken = Readonly<z.output<typeof accessTokenSchema>>;

/** The algorithms that a key set may use. A shared secret always means HS256. */
export const PUBLIC_KEY_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
export const MINIMUM_SECRET_BYTES = 32;

export interface VerifierSettings {
  /** A shared secret (HS256, at least 32 bytes) or a key set; `none` refuses all tokens. */
  readonly keys:
    | { readonly secret: string }
    | { readonly jwksUrl: URL; readonly algorithms: readonly string[] }
    | 'none';
  readonly issuer: string;
  readonly audience: string;
}

const MESSAGES = {
  malformed: 'The access token is not a signed JWT',
  expired: 'The access token has expired',
  signature: 'The access token is not signed by a trusted key',
  claims: 'The access token is not meant for this service',
  'keys-unavailable': 'The token issuer’s signing keys are temporarily unavailable',
};
export type AccessTokenFault = keyof typeof MESSAGES;

/** A token was refused. The error is safe to log: it contains no part of the token. */
export class AccessTokenError extends Error {
  override readonly name = 'AccessTokenError';

  constructor(readonly fault: AccessTokenFault) {
    super(MESSAGES[fault]);
  }
}

/** Verifies users' JWTs: signature, algorithm, issuer, audience, expiry and types of the claims. */
export class AccessTokenVerifier {
  private readonly readPayload: (token: string) => Promise<JWTPayload>;

  constructor({ keys, issuer, audience }: VerifierSettings) {
    const { key, algorithms } = keySource(keys);
    const options = {
      issuer,
      audience,
      // Without this list, a token could use no signature, or HS256 with the public key as secret.
      algorithms,
      requiredClaims: ['sub', 'exp'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    };
    this.readPayload = async (token) => (await jwtVerify(token, key, options)).payload;
  }

  /** @throws AccessTokenError */
  async verify(token: string): Promise<AccessToken> {
    const payload = await this.readPayload(token).catch((error: unknown) => {
      throw new AccessTokenError(findFault(error));
    });
    const { success, data } = accessTokenSchema.safeParse(payload);
    if (!success) throw new AccessTokenError('claims');
    return data;
  }
}

function keySource(keys: VerifierSettings['keys']): { key: JWTVerifyGetKey; algorithms: string[] } {
  if (keys === 'none')
    return { key: () => Promise.reject(new errors.JWKSNoMatchingKey()), algorithms: [] };
  if ('jwksUrl' in keys) return { key: remoteKeys(keys.jwksUrl), algorithms: [...keys.algorithms] };
  const secret = new TextEncoder().encode(keys.secret);
  if (secret.length < MINIMUM_SECRET_BYTES) {
    throw new RangeError(`The shared secret must have at least ${MINIMUM_SECRET_BYTES} bytes.`);
  }
  return { key: async () => secret, algorithms: ['HS256'] };
}

/** Fetches and caches the issuer's keys. Unknown key ids cause at most one fetch per 30 s. */
function remoteKeys(url: URL): JWTVerifyGetKey {
  let failedAt = -Infinity;
  const fetchKeys: FetchImplementation = async (...request) => {
    // Fail fast for 5 s after a failure: requests must not wait for an issuer that is unavailable.
    if (performance.now() - failedAt < PAUSE_AFTER_FAILURE_MS)
      throw new Error('The token issuer is unavailable');
    try {
      const response = await fetch(...request);
      if (!response.ok) throw new Error(`The token issuer responds with ${response.status}`);
      return Response.json(await response.json());
    } catch (error) {
      failedAt = performance.now();
      throw error;
    }
  };
  return createRemoteJWKSet(url, { timeoutDuration: JWKS_TIMEOUT_MS, [customFetch]: fetchKeys });
}

function findFault(error: unknown): AccessTokenFault {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) return 'claims';
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return 'malformed';
  if (
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  ) {
    return 'signature';
  }
  return 'keys-unavailable';
}
