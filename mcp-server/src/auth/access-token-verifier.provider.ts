import { AccessTokenVerifier, type VerifierSettings } from '@latchkey/access-tokens/verifier';
import type { FactoryProvider } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';

export const accessTokenVerifierProvider: FactoryProvider<AccessTokenVerifier> = {
  provide: AccessTokenVerifier,
  inject: [ConfigService],
  useFactory: (config: ConfigService<Environment, true>) =>
    new AccessTokenVerifier({
      keys: keysOf(config),
      issuer: config.get('JWT_ISSUER', { infer: true }),
      audience: config.get('MCP_TOKEN_AUDIENCE', { infer: true }),
    }),
};

function keysOf(config: ConfigService<Environment, true>): VerifierSettings['keys'] {
  const jwksUrl = config.get('JWT_JWKS_URL', { infer: true });
  if (jwksUrl === undefined) return { secret: config.get('JWT_SECRET', { infer: true }) ?? '' };
  return { jwksUrl: new URL(jwksUrl), algorithms: config.get('JWT_ALGORITHMS', { infer: true }) };
}
