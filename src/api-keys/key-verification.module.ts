import { Module } from '@nestjs/common';
import { ApiKeysModule } from './api-keys.module.js';
import { EarlyRetirement } from './early-retirement.js';
import { KeySync } from './key-sync/key-sync.js';
import { IssuedKeyCache } from './issued-key-cache.js';
import { KeyVerifier } from './key-verifier.js';

/**
 * Caches and verifies keys. Only servers import this module. Commands have no key cache, because
 * every change of a key would then have to wait until their caches contain it, too.
 */
@Module({
  imports: [ApiKeysModule],
  providers: [IssuedKeyCache, KeySync, KeyVerifier, EarlyRetirement],
  exports: [ApiKeysModule, IssuedKeyCache, KeySync, KeyVerifier],
})
export class KeyVerificationModule {}
