import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AccessTokenVerifier, type VerifierSettings } from './verifier.js';

/** Variables that a process needs for access tokens. */
interface Environment {
  readonly accessTokens: VerifierSettings;
}

/** Gives the `AccessTokenVerifier` of the process's environment. */
@Module({
  providers: [
    {
      provide: AccessTokenVerifier,
      inject: [ConfigService],
      useFactory: (config: ConfigService<Environment, true>) =>
        new AccessTokenVerifier(config.get('accessTokens', { infer: true })),
    },
  ],
  exports: [AccessTokenVerifier],
})
export class AccessTokensModule {}
