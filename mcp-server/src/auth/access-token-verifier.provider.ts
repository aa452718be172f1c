import { AccessTokenVerifier } from '@latchkey/access-tokens/verifier';
import type { FactoryProvider } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';

export const accessTokenVerifierProvider: FactoryProvider<AccessTokenVerifier> = {
  provide: AccessTokenVerifier,
  inject: [ConfigService],
  useFactory: (config: ConfigService<Environment, true>) =>
    new AccessTokenVerifier(config.get('accessTokens', { infer: true })),
};
