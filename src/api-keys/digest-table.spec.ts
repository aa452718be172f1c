import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DigestTable } from './digest-table.js';
import { digestWords } from './key-digest.js';

const digestOf = (text: string) => digestWords(hash('sha256', text, 'hex'));

function lookUp(table: DigestTable<string | null>, text: string): string | null | undefined {
  const place = table.find(digestOf(text));
  return table.isPresent(place) ? table.at(place) : undefined;
}

describe('a digest table', () => {
  it('holds what a Map would hold, whatever is done to it', () => {
    const texts = fc.nat({ max: 400 }).map(String);
    const steps = fc.array(fc.record({ text: texts, value: fc.option(fc.string()) }), {
      maxLength: 1500,
      size: 'max',
    });
    fc.assert(
      fc.property(steps, (changes) => {
        const table = new DigestTable<string | null>(null);
        const model = new Map<string, string>();
        for (const { text, value } of changes) {
          if (value === null) {
            table.delete(digestOf(text));
            model.delete(text);
          } else {
            table.set(digestOf(text), value);
            model.set(text, value);
          }
        }
        for (let number = 0; number <= 400; number++) {
          expect(lookUp(table, String(number))).toBe(model.get(String(number)));
        }
        expect(table.size).toBe(model.size);
        expect(new Set(table.present())).toEqual(new Set(model.values()));
      }),
      { numRuns: 30 },
    );
  });

  it('finds every one of 100,000, and no other', () => {
    const table = new DigestTable<string | null>(null);
    for (let number = 0; number < 100_000; number++) {
      table.set(digestOf(String(number)), String(number));
    }
    for (let number = 0; number < 100_000; number += 7) {
      expect(lookUp(table, String(number))).toBe(String(number));
      expect(lookUp(table, `other-${number}`)).toBeUndefined();
    }
  });

  it('keeps apart what differs only in words that a look-up does not choose by', () => {
    const table = new DigestTable<string | null>(null);
    const first = new Uint32Array([1, 2, 3, 4, 5, 6, 7, 8]);
    const lookAlike = first.with(7, 9);
    table.set(first, 'first');
    expect(table.isPresent(table.find(lookAlike))).toBe(false);
  });

  it('keeps apart two of a bucket with the same mark', () => {
    const table = new DigestTable<string | null>(null);
    const first = new Uint32Array([1, 2, 3, 4, 5, 6, 7, 8]);
    const second = first.with(0, 1 + 64);
    table.set(first, 'first');
    table.set(second, 'second');
    expect(table.at(table.find(first))).toBe('first');
    expect(table.at(table.find(second))).toBe('second');
  });

  it('leads somewhere although it is empty', () => {
    const table = new DigestTable('nothing');
    const place = table.find(digestOf('a'));
    expect(table.isPresent(place)).toBe(false);
    expect(table.at(place)).toBe('nothing');
    expect(table.at(1000)).toBe('nothing');
  });
});
