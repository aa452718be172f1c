import { describe, expect, it } from 'vitest';
import type { IssuedKey } from './issued-key.js';
import { IssuedKeyCache } from './issued-key-cache.js';
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

describe('the ring of issued keys', () => {
  it('follows a database that was restored to an older state', () => {
    const ring = new IssuedKeyCache();
    ring.put([keyOf(102n, true)]);
    ring.put([keyOf(40n, false)]);
    expect(ring.find(digest)?.isRevoked).toBe(false);
    expect(ring.fingerprint).toEqual({ count: 1, revisions: 40n });
  });

  it('follows one that was restored, and has reached the same revision by another change', () => {
    const ring = new IssuedKeyCache();
    ring.put([keyOf(102n, false)]);
    ring.put([keyOf(102n, true)]);
    expect(ring.find(digest)?.isRevoked).toBe(true);
    expect(ring.fingerprint).toEqual({ count: 1, revisions: 102n });
  });
});
