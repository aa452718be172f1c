import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const text = readFileSync('docs/explanation/attacks.md', 'utf8');
const specs = [
  ...new Set([...text.matchAll(/`([\w./-]+\.(?:e2e-)?spec\.ts)`/g)].map(([, path = '']) => path)),
];

it.each(specs)('docs/explanation/attacks.md names a test that exists: %s', (path) => {
  expect(existsSync(path) || existsSync(join('test', path))).toBe(true);
});
