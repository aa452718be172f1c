import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEY_ENVIRONMENTS } from '../config/key-environment.js';
import { API_KEY_PATTERN, generateApiKey, hintOf, parseApiKey } from './api-key-format.js';

const ALPHABET = Array.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');
const CASES = { numRuns: 100_000 };

const environments = fc.constantFrom(...KEY_ENVIRONMENTS);
// Uses the real generator, so that the properties hold for the keys that are really issued.
const apiKeys = environments.map(generateApiKey);

function replaceAt(text: string, index: number, character: string): string {
  return text.slice(0, index) + character + text.slice(index + 1);
}

describe('a generated key', { timeout: 60_000 }, () => {
  it('is well-formed, names its environment, and is unique', () => {
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

  it('has every base62 character about equally often', () => {
    const counts = new Map<string, number>();
    const drawn = 20_000;
    for (let each = 0; each < drawn; each++) {
      for (const character of generateApiKey('live').slice('lk_live_'.length, -6)) {
        counts.set(character, (counts.get(character) ?? 0) + 1);
      }
    }
    expect([...counts.keys()].toSorted()).toEqual(ALPHABET.toSorted());
    const expected = (drawn * 30) / 62;
    // Ten standard deviations: a biased generator is off by a fifth.
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
  it('rejects a key with any other checksum', () => {
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
    ['a space before', (apiKey: string) => ` ${apiKey}`],
    ['a line feed after', (apiKey: string) => `${apiKey}\n`],
    ['its last character left out', (apiKey: string) => apiKey.slice(0, -1)],
    ['a character too many', (apiKey: string) => `${apiKey}0`],
    ['its prefix in capitals', (apiKey: string) => apiKey.replace('lk_', 'LK_')],
    ['another environment', (apiKey: string) => apiKey.replace('live', 'test')],
    ['two neighbours exchanged', exchangeNeighbours],
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

describe('a hint', () => {
  it('shows the prefix and four random characters, and not the checksum', () => {
    const apiKey = generateApiKey('dev');
    expect(hintOf(apiKey)).toBe(`${apiKey.slice(0, 'lk_dev_'.length + 4)}…`);
  });
});

function exchangeNeighbours(apiKey: string): string {
  for (let index = 'lk_live_'.length; ; index++) {
    const [first, second] = apiKey.slice(index, index + 2);
    if (first !== second)
      return `${apiKey.slice(0, index)}${second}${first}${apiKey.slice(index + 2)}`;
  }
}
