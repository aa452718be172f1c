import { Inject, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import type { KeyEnvironment } from '../config/key-environment.js';
import type { KeyRefusal } from '../requests/request-event.js';
import { claimsToBeIssued, parseApiKey } from './api-key-format.js';
import { KeySync } from './key-sync/key-sync.js';
import { type IssuedKey, IssuedKeyCache } from './issued-key-cache.js';
import { ANYWHERE } from './network.js';
import type { Principal } from './principal.js';
import { RootKeyStore } from './root-key-store.js';
import { digestKey } from '../config/root-key.js';

/** The result of a key check. `unverifiable`: the keys in memory may be out of date. */
export type KeyVerdict =
  | { readonly outcome: 'admitted'; readonly principal: Principal }
  | {
      readonly outcome: KeyRefusal | 'unverifiable';
      readonly keyId: string | null;
    };

/** Returns the key's id for logs, even if the key is not valid; null if the key is unknown. */
export function keyIdOf(verdict: KeyVerdict): string | null {
  return verdict.outcome === 'admitted' ? verdict.principal.keyId : verdict.keyId;
}

/** A placeholder for unknown keys. Their check then takes as long as the check of an issued key. */
const UNKNOWN_KEY: IssuedKey = {
  id: '',
  digest: '',
  revision: 0n,
  isRevoked: true,
  expiresAt: 0,
  networks: ANYWHERE,
  principal: {
    keyId: '',
    isRoot: false,
    scopes: [],
    readFields: undefined,
    writeFields: undefined,
    budgets: [],
  },
};

/** The database's time, and whether the key cache is up to date. */
type CacheState = Pick<KeySync, 'now' | 'isFresh'>;

/** Verifies keys without SQL. */
@Injectable()
export class KeyVerifier {
  private readonly environment: KeyEnvironment;

  constructor(
    private readonly rootKeys: RootKeyStore,
    private readonly issuedKeys: IssuedKeyCache,
    @Inject(KeySync) private readonly keySync: CacheState,
    config: ConfigService<Environment, true>,
  ) {
    this.environment = config.get('API_KEY_ENVIRONMENT', { infer: true });
  }

  /**
   * Verifies a key sent from an IP address. So that timing reveals nothing, the check of every
   * well-formed key takes one checksum, one digest, one look-up, one network check, and one
   * constant-time comparison per root key.
   */
  verify(presented: string, address: string): KeyVerdict {
    const environment = parseApiKey(presented);
    const digest = digestKey(presented);
    const key = this.issuedKeys.find(digest) ?? UNKNOWN_KEY;
    const isFromAllowedNetwork = key.networks.contains(address);
    const rootKey = this.rootKeys.match(digest);
    if (rootKey !== undefined) return { outcome: 'admitted', principal: rootKey.principal };
    if (presented === '') return { outcome: 'missing', keyId: null };
    if (environment === undefined) {
      return { outcome: claimsToBeIssued(presented) ? 'malformed' : 'unknown', keyId: null };
    }
    return this.judge(environment, key, isFromAllowedNetwork);
  }

  private judge(
    environment: KeyEnvironment,
    key: IssuedKey,
    isFromAllowedNetwork: boolean,
  ): KeyVerdict {
    const isKnown = key !== UNKNOWN_KEY;
    const keyId = isKnown ? key.id : null;
    // Read the clock for every key: if only some checks read it, timing would reveal the outcome.
    const isExpired = this.keySync.now() >= key.expiresAt;
    if (environment !== this.environment) return { outcome: 'wrong-environment', keyId };
    if (!this.keySync.isFresh()) return { outcome: 'unverifiable', keyId };
    if (!isKnown || key.isRevoked) return { outcome: isKnown ? 'revoked' : 'unknown', keyId };
    if (isExpired) return { outcome: 'expired', keyId };
    if (!isFromAllowedNetwork) return { outcome: 'foreign-network', keyId };
    return { outcome: 'admitted', principal: key.principal };
  }
}
