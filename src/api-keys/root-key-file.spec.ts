import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRootKeyFile } from './root-key-file.js';
import { parseRootKey } from './root-key.js';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'latchkey-key-file-'));
  path = join(folder, 'keys');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('readRootKeyFile', () => {
  it('reads a key a line, whatever the line ends, and skips blank lines', () => {
    writeFileSync(path, '\none-key\r\n\n  two-key  \nthree-key');
    expect(readRootKeyFile(path)).toEqual(['one-key', 'two-key', 'three-key'].map(parseRootKey));
  });

  it('names the line that is not a key, without quoting it', () => {
    writeFileSync(path, 'good-key\nbad key\n');
    expect(() => readRootKeyFile(path)).toThrow(
      /^line 2 must be visible ASCII characters without spaces and commas$/,
    );
  });

  it.each(['', '\n \n'])('refuses a file without a key', (text) => {
    writeFileSync(path, text);
    expect(() => readRootKeyFile(path)).toThrow('names a file without a key');
  });

  it('refuses a path without a file, and a folder', () => {
    expect(() => readRootKeyFile(path)).toThrow('names a file that cannot be read');
    expect(() => readRootKeyFile(folder)).toThrow('names a file that cannot be read');
  });
});
