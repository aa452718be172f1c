import { Module } from '@nestjs/common';
import { accessTokenVerifierProvider } from './access-token-verifier.provider.js';

@Module({ providers: [accessTokenVerifierProvider], exports: [accessTokenVerifierProvider] })
export class AuthModule {}
