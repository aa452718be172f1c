import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEY_ENVIRONMENTS } from '../config/key-environment.js';
import { API_KEY_PATTERN, generateApiKey, hintOf, parseApiKey } from './api-key-format.js';

const ALPHABET = Array.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');
const CASES = { numRuns: 100_000 };

const environments = fc.constantFrom(...KEY_ENVIRONMENTS);
// The keys come from the real generator, so the tests cover the keys that the backend issues.
const apiKeys = environments.map(generateApiKey);

function replaceAt(text: string, index: number, character: string): string {
  return text.slice(0, index) + character + text.slice(index + 1);
}

describe('generated keys', { timeout: 60_000 }, () => {
  it('are well-formed, contain their environment, and are unique', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(environments, (environment) => {
        const apiKey = generateApiKey(environment);
        expect(apiKey).toMatch(API_KEY_PATTERN);
        expect(parseApiKey(apiKey)).toBe(environment);
        expect(seen.has(apiKey)).toBe(false);
        seen.add(apiKey);
      }),
      CASES,
    );
  });

  it('contain all base62 characters about equally often', () => {
    const counts = new Map<string, number>();
    const keyCount = 20_000;
    for (let index = 0; index < keyCount; index++) {
      for (const character of generateApiKey('live').slice('lk_live_'.length, -6)) {
        counts.set(character, (counts.get(character) ?? 0) + 1);
      }
    }
    expect([...counts.keys()].toSorted()).toEqual(ALPHABET.toSorted());
    const expected = (keyCount * 30) / 62;
    // 10 standard deviations, which are 10 % of the expected count. A plain `byte % 62` would favor
    // 8 characters by 21 %.
    const tolerance = 10 * Math.sqrt(expected);
    for (const count of counts.values()) expect(Math.abs(count - expected)).toBeLessThan(tolerance);
  });
});

describe('a key in which one character was changed', { timeout: 60_000 }, () => {
  it('is always rejected', () => {
    fc.assert(
      fc.property(
        apiKeys,
        fc.nat(),
        fc.constantFrom(...ALPHABET, '_', '-', ' ', 'é'),
        (...drawn) => {
          const [apiKey, position, character] = drawn;
          const index = position % apiKey.length;
          fc.pre(apiKey.charAt(index) !== character);
          expect(parseApiKey(replaceAt(apiKey, index, character))).toBeUndefined();
        },
      ),
      CASES,
    );
  });
});

describe('parseApiKey', { timeout: 60_000 }, () => {
  it('rejects a key with a wrong checksum', () => {
    const checksums = fc.array(fc.constantFrom(...ALPHABET), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(apiKeys, checksums, (apiKey, characters) => {
        const other = apiKey.slice(0, -6) + characters.join('');
        fc.pre(other !== apiKey);
        expect(parseApiKey(other)).toBeUndefined();
      }),
      CASES,
    );
  });

  it.each([
    ['a leading space', (apiKey: string) => ` ${apiKey}`],
    ['a trailing line feed', (apiKey: string) => `${apiKey}\n`],
    ['a missing last character', (apiKey: string) => apiKey.slice(0, -1)],
    ['one additional character', (apiKey: string) => `${apiKey}0`],
    ['an uppercase prefix', (apiKey: string) => apiKey.replace('lk_', 'LK_')],
    ['a replaced environment', (apiKey: string) => apiKey.replace('live', 'test')],
    ['two adjacent characters swapped', swapAdjacentCharacters],
  ])('rejects a key with %s', (_case, change) => {
    const apiKey = generateApiKey('live');
    expect(parseApiKey(apiKey)).toBe('live');
    expect(parseApiKey(change(apiKey))).toBeUndefined();
  });

  it('rejects arbitrary text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(parseApiKey(text)).toBeUndefined();
      }),
    );
  });
});

describe('the hint of a key', () => {
  it('consists of the prefix and the first four random characters', () => {
    const apiKey = generateApiKey('dev');
    expect(hintOf(apiKey)).toBe(`${apiKey.slice(0, 'lk_dev_'.length + 4)}…`);
  });
});

function swapAdjacentCharacters(apiKey: string): string {
  for (let index = 'lk_live_'.length; ; index++) {
    const [first, second] = apiKey.slice(index, index + 2);
    if (first !== second)
      return `${apiKey.slice(0, index)}${second}${first}${apiKey.slice(index + 2)}`;
  }
}
