import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRootKeyFile } from './root-key-file.js';
import { rootKeySchema } from './root-key.js';

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
        'has a key (number 2) that must be visible ASCII characters without spaces and commas',
    });
  });

  it.each(['', '\n \n'])('reports a file without keys', (text) => {
    writeFileSync(path, text);
    expect(read()).toEqual({ problem: 'has no key' });
  });

  it('reports an unreadable file', () => {
    expect(read()).toEqual({ problem: 'cannot be read' });
  });

  it('refuses one weak key among strong ones if weak keys are refused', () => {
    writeFileSync(path, `${STRONG}\nweak\n`);
    expect(read(true)).toEqual({ problem: 'has a key that is shorter than 32 characters' });
    expect(read(false).keys).toHaveLength(2);
  });

  it('accepts strong keys if weak keys are refused', () => {
    writeFileSync(path, STRONG);
    expect(read(true).keys).toHaveLength(1);
  });
});
