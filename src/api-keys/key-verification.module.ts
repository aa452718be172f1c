import { Module } from '@nestjs/common';
import { ApiKeysModule } from './api-keys.module.js';
import { EarlyRetirement } from './early-retirement.js';
import { KeyFeed } from './feed/key-feed.js';
import { IssuedKeyCache } from './issued-key-cache.js';
import { KeyVerifier } from './key-verifier.js';

/** Keys in memory: for processes that admit callers. Each counts as an instance that revocations wait for. */
@Module({
  imports: [ApiKeysModule],
  providers: [IssuedKeyCache, KeyFeed, KeyVerifier, EarlyRetirement],
  exports: [ApiKeysModule, IssuedKeyCache, KeyFeed, KeyVerifier],
})
export class KeyVerificationModule {}
