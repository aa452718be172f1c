import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectionLimit } from './connection-limit.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'latchkey-limits-'))));
afterAll(() => rmSync(folder, { recursive: true }));

describe('connectionLimit', () => {
  it.each([
    ['1024', 924],
    ['1048576', 10_000],
    ['unlimited', 10_000],
    ['50', 1],
  ])('leaves files for the database where %s may be open', (soft, limit) => {
    const file = join(folder, soft);
    writeFileSync(
      file,
      `Limit  Soft Limit\nMax open files            ${soft}         524288   files\n`,
    );
    expect(connectionLimit(file)).toBe(limit);
  });

  it('is ten thousand where the system does not say', () => {
    expect(connectionLimit(join(folder, 'none'))).toBe(10_000);
  });
});
