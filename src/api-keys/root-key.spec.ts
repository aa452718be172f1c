import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RootKeyError, parseRootKey } from './root-key.js';

const sha256 = (text: string) => createHash('sha256').update(text).digest();
const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
});

describe('parseRootKey', () => {
  it('keeps the digest of any visible ASCII text without a comma', () => {
    fc.assert(
      fc.property(
        visible.filter((text) => !text.includes(',') && !/^sha256:/i.test(text)),
        (text) => {
          expect(parseRootKey(text).digest).toEqual(sha256(text));
        },
      ),
    );
  });

  it('refuses any text with a character that a header cannot carry, or with a comma', () => {
    fc.assert(
      fc.property(
        visible,
        fc.constantFrom(' ', ',', '\t', '\n', '\0', '\x7f', 'é', '🔑'),
        visible,
        (a, bad, b) => {
          expect(() => parseRootKey(`k${a}${bad}${b}`)).toThrow(RootKeyError);
        },
      ),
    );
  });

  it('reads a digest in either case as the digest itself', () => {
    const hex = sha256('some key').toString('hex');
    expect(parseRootKey(`sha256:${hex}`).digest).toEqual(sha256('some key'));
    expect(parseRootKey(`SHA256:${hex.toUpperCase()}`).digest).toEqual(sha256('some key'));
  });

  it.each(['sha256:', 'sha256:12ab', `sha256:${'g'.repeat(64)}`, `sha256:${'a'.repeat(65)}`])(
    'refuses %s, which is no digest, rather than taking it as a key',
    (text) => {
      expect(() => parseRootKey(text)).toThrow('must have 64 hex digits after sha256:');
    },
  );

  it('refuses the digest of the empty key, which an absent header would match', () => {
    expect(() => parseRootKey(`sha256:${sha256('').toString('hex')}`)).toThrow(
      'the digest of an empty key',
    );
  });

  it('refuses an empty text', () => {
    expect(() => parseRootKey('')).toThrow(RootKeyError);
  });

  it('names the key by the start of its digest', () => {
    expect(parseRootKey('some-key').id).toBe(
      `root_${sha256('some-key').toString('hex').slice(0, 8)}`,
    );
  });

  it('says why a plaintext key is weak, and nothing of a digest', () => {
    expect(parseRootKey('short').weakness).toBe('shorter than 32 characters');
    expect(parseRootKey(`sha256:${sha256('short').toString('hex')}`).weakness).toBeUndefined();
  });
});
