import { Module } from '@nestjs/common';
import { ApiKeysModule } from './api-keys.module.js';
import { EarlyRetirement } from './early-retirement.js';
import { KeySync } from './key-sync/key-sync.js';
import { IssuedKeyCache } from './issued-key-cache.js';
import { KeyVerifier } from './key-verifier.js';

/**
 * Caches and verifies keys. Only servers import this module. The command line has no key cache,
 * because a change of a key is complete only when every key cache contains it.
 */
@Module({
  imports: [ApiKeysModule],
  providers: [IssuedKeyCache, KeySync, KeyVerifier, EarlyRetirement],
  exports: [ApiKeysModule, IssuedKeyCache, KeySync, KeyVerifier],
})
export class KeyVerificationModule {}
