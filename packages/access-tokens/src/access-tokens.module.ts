import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AccessTokenVerifier, type VerifierSettings } from './verifier.js';

/** Provides the `AccessTokenVerifier` of the process's environment. */
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
