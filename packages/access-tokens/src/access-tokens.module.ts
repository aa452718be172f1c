import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AccessTokenVerifier, type VerifierSettings } from './verifier.js';

/** Provides an `AccessTokenVerifier` with the settings from the environment. */
@Module({
  providers: [
    {
      provide: AccessTokenVerifier,
      inject: [ConfigService],
      useFactory: (config: ConfigService<{ accessTokens: VerifierSettings }, true>) =>
        new AccessTokenVerifier(config.get('accessTokens', { infer: true })),
    },
  ],
  exports: [AccessTokenVerifier],
})
export class AccessTokensModule {}
