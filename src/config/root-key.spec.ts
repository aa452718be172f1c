import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRootKeyFile, rootKeySchema } from './root-key.js';

const sha256 = (text: string) => createHash('sha256').update(text).digest();
const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
});

function problemOf(text: string): string | undefined {
  return rootKeySchema
    .safeParse(text)
    .error?.issues.map(({ message }) => message)
    .join();
}

describe('rootKeySchema', () => {
  it('stores the digest of any visible ASCII text without a comma', () => {
    fc.assert(
      fc.property(
        visible.filter((text) => !text.includes(',') && !/^sha256:/i.test(text)),
        (text) => {
          expect(rootKeySchema.parse(text).digest).toEqual(sha256(text));
        },
      ),
    );
  });

  it('refuses any text with a character that a header cannot carry, or with a comma', () => {
    const bad = fc.constantFrom(' ', ',', '\t', '\n', '\0', '\x7f', 'é', '🔑');
    fc.assert(
      fc.property(visible, bad, visible, (start, character, end) => {
        expect(problemOf(`k${start}${character}${end}`)).toBe(
          'must be visible ASCII characters without spaces and commas',
        );
      }),
    );
  });

  it('reads sha256:<hex> as the digest of a key, in lower or upper case', () => {
    const hex = sha256('some key').toString('hex');
    expect(rootKeySchema.parse(`sha256:${hex}`).digest).toEqual(sha256('some key'));
    expect(rootKeySchema.parse(`SHA256:${hex.toUpperCase()}`).digest).toEqual(sha256('some key'));
  });

  it.each(['sha256:', 'sha256:12ab', `sha256:${'g'.repeat(64)}`, `sha256:${'a'.repeat(65)}`])(
    'refuses the malformed digest %s instead of using it as a plaintext key',
    (text) => {
      expect(problemOf(text)).toBe('must have 64 hex digits after sha256:');
    },
  );

  it('refuses the digest of the empty key, which an absent header would match', () => {
    expect(problemOf(`sha256:${sha256('').toString('hex')}`)).toBe('is the digest of an empty key');
  });

  it('refuses an empty text', () => {
    expect(problemOf('')).toBeDefined();
  });

  it('derives the id of a key from the first 8 hex digits of its digest', () => {
    expect(rootKeySchema.parse('some-key').id).toBe(
      `root_${sha256('some-key').toString('hex').slice(0, 8)}`,
    );
  });

  it('explains why a plaintext key is weak, but considers no digest weak', () => {
    expect(rootKeySchema.parse('short').weakness).toBe('shorter than 32 characters');
    expect(
      rootKeySchema.parse(`sha256:${sha256('short').toString('hex')}`).weakness,
    ).toBeUndefined();
  });
});

const STRONG = '9f8e2b7c6d5a4f3e1b0c8d7a6e5f4b3c';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'latchkey-key-file-'));
  path = join(folder, 'keys');
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = (refuseWeak = false) => readRootKeyFile(path, { refuseWeak });

describe('readRootKeyFile', () => {
  it('reads one key per line, with any line ending, and skips blank lines', () => {
    writeFileSync(path, '\none-key\r\n\n  two-key  \nthree-key');
    const keys = ['one-key', 'two-key', 'three-key'].map((key) => rootKeySchema.parse(key));
    expect(read()).toEqual({ keys });
  });

  it('names the position of an invalid key, without quoting it', () => {
    writeFileSync(path, 'good-key\n\nbad key\n');
    expect(read()).toEqual({
      problem:
        'has an invalid key (number 2), which must be visible ASCII characters without spaces and commas',
    });
  });

  it.each(['', '\n \n'])('reports a file without keys', (text) => {
    writeFileSync(path, text);
    expect(read()).toEqual({ problem: 'has no key' });
  });

  it('reports an unreadable file', () => {
    expect(read()).toEqual({ problem: 'cannot be read' });
  });

  it('refuses a file that contains a weak key, if refuseWeak is set', () => {
    writeFileSync(path, `${STRONG}\nweak\n`);
    expect(read(true)).toEqual({ problem: 'has a key that is shorter than 32 characters' });
    expect(read(false).keys).toHaveLength(2);
  });

  it('accepts strong keys, even if refuseWeak is set', () => {
    writeFileSync(path, STRONG);
    expect(read(true).keys).toHaveLength(1);
  });
});
