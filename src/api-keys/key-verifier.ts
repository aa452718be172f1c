import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { claimsToBeIssued, parseApiKey } from './api-key-format.js';
import { KeyFeed } from './feed/key-feed.js';
import type { IssuedKey } from './issued-key.js';
import { IssuedKeyRing } from './issued-key-ring.js';
import { isWithin } from './network.js';
import { RootKeyRing, type RootKeyInForce } from './root-key-ring.js';
import { digestKey } from './root-key.js';

/** Why a key is not admitted. The caller is never told which. */
export const KEY_REFUSALS = [
  'missing',
  'malformed',
  'wrong-environment',
  'unknown',
  'revoked',
  'expired',
  'foreign-network',
] as const;
export type KeyRefusal = (typeof KEY_REFUSALS)[number];

/** What is known of a presented key. `unverifiable`: the keys in memory may be out of date. */
export type KeyVerdict =
  | {
      readonly outcome: 'admitted';
      readonly rootKey: RootKeyInForce;
      readonly issuedKey?: undefined;
    }
  | { readonly outcome: 'admitted'; readonly issuedKey: IssuedKey; readonly rootKey?: undefined }
  | {
      readonly outcome: KeyRefusal | 'unverifiable';
      readonly issuedKey?: IssuedKey | undefined;
      readonly rootKey?: undefined;
    };

/** Tells good keys from bad ones, without SQL. */
@Injectable()
export class KeyVerifier {
  private readonly environment: Environment['API_KEY_ENVIRONMENT'];

  constructor(
    private readonly rootKeys: RootKeyRing,
    private readonly issuedKeys: IssuedKeyRing,
    private readonly feed: KeyFeed,
    config: ConfigService<Environment, true>,
  ) {
    this.environment = config.get('API_KEY_ENVIRONMENT', { infer: true });
  }

  /**
   * Judges a key that came from an address. Whatever the outcome, the work is one checksum's format, one digest, one
   * look-up, and one constant-time comparison for each root key.
   */
  verify(presented: string, address: string): KeyVerdict {
    const environment = parseApiKey(presented);
    const digest = digestKey(presented);
    const issuedKey = this.issuedKeys.find(digest.toString('hex'));
    const rootKey = this.rootKeys.match(digest);
    if (rootKey !== undefined) return { outcome: 'admitted', rootKey };
    if (presented === '') return { outcome: 'missing' };
    if (environment === undefined) {
      return { outcome: claimsToBeIssued(presented) ? 'malformed' : 'unknown' };
    }
    return this.judge(environment, issuedKey, address);
  }

  private judge(
    environment: string,
    issuedKey: IssuedKey | undefined,
    address: string,
  ): KeyVerdict {
    if (environment !== this.environment) return { outcome: 'wrong-environment', issuedKey };
    if (!this.feed.isFresh()) return { outcome: 'unverifiable', issuedKey };
    if (issuedKey === undefined) return { outcome: 'unknown' };
    if (issuedKey.revoked) return { outcome: 'revoked', issuedKey };
    if (this.feed.clock.now() >= issuedKey.expiresAt) return { outcome: 'expired', issuedKey };
    if (issuedKey.networks !== undefined && !isWithin(issuedKey.networks, address)) {
      return { outcome: 'foreign-network', issuedKey };
    }
    return { outcome: 'admitted', issuedKey };
  }
}
