import { describe, expect, it } from 'vitest';
import { type IssuedKey, IssuedKeyCache } from './issued-key-cache.js';
import { ANYWHERE } from './network.js';
import { digestKey } from '../config/root-key.js';

const digest = digestKey('a key');

function keyOf(revision: bigint, isRevoked: boolean): IssuedKey {
  return {
    id: 'k',
    digest,
    revision,
    isRevoked,
    expiresAt: Infinity,
    networks: ANYWHERE,
    principal: {
      keyId: 'k',
      isRoot: false,
      scopes: [],
      readFields: undefined,
      writeFields: undefined,
      budgets: [],
    },
  };
}

describe('the cache of issued keys', () => {
  it('follows a database that was restored to an older state', () => {
    const cache = new IssuedKeyCache();
    cache.put([keyOf(102n, true)]);
    cache.put([keyOf(40n, false)]);
    expect(cache.find(digest)?.isRevoked).toBe(false);
    expect(cache.fingerprint).toEqual({ count: 1, revisions: 40n });
  });

  it('follows one that was restored, and has reached the same revision by another change', () => {
    const cache = new IssuedKeyCache();
    cache.put([keyOf(102n, false)]);
    cache.put([keyOf(102n, true)]);
    expect(cache.find(digest)?.isRevoked).toBe(true);
    expect(cache.fingerprint).toEqual({ count: 1, revisions: 102n });
  });
});
