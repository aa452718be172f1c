import { findKeyWeakness } from '@latchkey/environment/key-strength';
import type { VariableProblem } from '@latchkey/environment/read-environment';
import { httpUrl, oneOf, wordList } from '@latchkey/environment/variables';
import { z } from 'zod';
import { MINIMUM_SECRET_BYTES, PUBLIC_KEY_ALGORITHMS, type VerifierSettings } from './verifier.js';

const MAKE_A_SECRET = 'generate a secret with: openssl rand -hex 32';
const DEVELOPMENT_ISSUER = 'latchkey-development';

/** The schemas of the token variables. Each server includes them in its environment schema. */
export const tokenVariables = {
  JWT_SECRET: z.string().optional(),
  JWT_JWKS_URL: httpUrl().optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_ALGORITHMS: wordList()
    .pipe(z.array(oneOf(PUBLIC_KEY_ALGORITHMS)).min(1))
    .optional(),
};

export type TokenVariables = z.output<z.ZodObject<typeof tokenVariables>> & {
  readonly NODE_ENV: string;
};

/** Reports inconsistent variables. @param required whether a secret or a key set must be given */
export function* findTokenProblems(
  variables: TokenVariables,
  { required }: { required: boolean },
): Generator<VariableProblem> {
  const { JWT_SECRET: secret, JWT_JWKS_URL: keySet, JWT_ALGORITHMS: algorithms } = variables;
  const isMissing = secret === undefined && keySet === undefined;
  if ((isMissing && required) || (secret !== undefined && keySet !== undefined)) {
    yield ['JWT_SECRET', `set exactly one of JWT_SECRET and JWT_JWKS_URL; ${MAKE_A_SECRET}`];
  }
  if (secret !== undefined && algorithms !== undefined) {
    yield ['JWT_ALGORITHMS', 'applies only to JWT_JWKS_URL: JWT_SECRET always uses HS256'];
  }
  if (secret !== undefined && Buffer.byteLength(secret) < MINIMUM_SECRET_BYTES) {
    yield ['JWT_SECRET', `must have ${MINIMUM_SECRET_BYTES} bytes or more; ${MAKE_A_SECRET}`];
  }
  if (variables.NODE_ENV !== 'production' || isMissing) return;
  const weakness = secret && findKeyWeakness(secret);
  if (weakness) yield ['JWT_SECRET', `is ${weakness}: refused in production; ${MAKE_A_SECRET}`];
  if (keySet?.startsWith('http:')) yield ['JWT_JWKS_URL', 'must be https:// in production'];
  if (variables.JWT_ISSUER === undefined) yield ['JWT_ISSUER', 'is required in production'];
}

/** Converts the variables into settings for an `AccessTokenVerifier`. */
export function verifierSettings(
  { JWT_SECRET, JWT_JWKS_URL, JWT_ISSUER, JWT_ALGORITHMS }: TokenVariables,
  audience: string,
): VerifierSettings {
  const algorithms = JWT_ALGORITHMS ?? PUBLIC_KEY_ALGORITHMS;
  const published =
    JWT_JWKS_URL === undefined ? 'none' : { jwksUrl: new URL(JWT_JWKS_URL), algorithms };
  const keys = JWT_SECRET === undefined ? published : { secret: JWT_SECRET };
  return { keys, issuer: JWT_ISSUER ?? DEVELOPMENT_ISSUER, audience };
}
