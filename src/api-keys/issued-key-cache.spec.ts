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

describe('IssuedKeyCache', () => {
  it('accepts the older state of a restored database', () => {
    const cache = new IssuedKeyCache();
    cache.put([keyOf(102n, true)]);
    cache.put([keyOf(40n, false)]);
    expect(cache.find(digest)?.isRevoked).toBe(false);
    expect(cache.fingerprint).toEqual({ count: 1, revisions: 40n });
  });

  it('accepts a restored key that differs from the cached key but has the same revision', () => {
    const cache = new IssuedKeyCache();
    cache.put([keyOf(102n, false)]);
    cache.put([keyOf(102n, true)]);
    expect(cache.find(digest)?.isRevoked).toBe(true);
    expect(cache.fingerprint).toEqual({ count: 1, revisions: 102n });
  });
});
