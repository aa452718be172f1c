import { Module } from '@nestjs/common';
import { ApiKeysModule } from './api-keys.module.js';
import { EarlyRetirement } from './early-retirement.js';
import { KeySync } from './key-sync/key-sync.js';
import { IssuedKeyCache } from './issued-key-cache.js';
import { KeyVerifier } from './key-verifier.js';

/**
 * Caches and verifies keys. Only servers import this module. The command line has no key cache:
 * otherwise, every change of a key would also have to wait until that cache contains the change.
 */
@Module({
  imports: [ApiKeysModule],
  providers: [IssuedKeyCache, KeySync, KeyVerifier, EarlyRetirement],
  exports: [ApiKeysModule, IssuedKeyCache, KeySync, KeyVerifier],
})
export class KeyVerificationModule {}
