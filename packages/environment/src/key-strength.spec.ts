import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { findKeyWeakness } from './key-strength.js';

describe('findKeyWeakness', () => {
  it('accepts 32 random bytes in hex, as openssl rand -hex 32 prints them', () => {
    for (let round = 0; round < 10_000; round++) {
      expect(findKeyWeakness(randomBytes(32).toString('hex'))).toBeUndefined();
    }
  });

  it('accepts a random key of 32 characters, and refuses a random key of 31', () => {
    const key = '9f8e2b7c6d5a4f3e1b0c8d7a6e5f4b3c';
    expect(findKeyWeakness(key)).toBeUndefined();
    expect(findKeyWeakness(key.slice(1))).toBe('shorter than 32 characters');
  });

  it.each([
    'your-secret-api-key-change-in-production',
    'CHANGE-9f8e2b7c6d5a4f3e1b0c8d7a6e5f4b3c',
    'a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0u1v2w3x4y5z6',
    'test-api-key-12345-9f8e2b7c6d5a4f3e1b0c8d',
    'qwertyuiopasdfghjklzxcvbnm9876543210',
  ])('calls %s a placeholder', (key) => {
    expect(findKeyWeakness(key)).toBe('a placeholder, not a random key');
  });

  it('refuses a long key with fewer than 8 different characters', () => {
    const irregular = 'bcdfgbbcdgfdcbgfbcdbfgcdfbgdcfbgdbcfgbdc';
    expect(findKeyWeakness(irregular)).toBe('made of too few different characters');
    expect(findKeyWeakness(`${irregular}hjk`)).toBeUndefined();
  });

  it('refuses a repeated pattern of up to 16 characters, even if its last repetition is cut off', () => {
    expect(findKeyWeakness('z9x8c7v6z9x8c7v6z9x8c7v6z9x8c7v6z9')).toBe('a repeated short pattern');
    expect(findKeyWeakness('z9x8c7v6b5n4m3l2z9x8c7v6b5n4m3l2')).toBe('a repeated short pattern');
    expect(findKeyWeakness('z9x8c7v6b5n4m3l2kz9x8c7v6b5n4m3l2k')).toBeUndefined();
  });

  it('never quotes the key', () => {
    const key = 'qwertyuiopasdfghjklzxcvbnm9876543210';
    expect(findKeyWeakness(key)).not.toContain(key.slice(0, 6));
  });
});
