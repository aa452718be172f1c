import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { RULES } from '../language/rules.js';
import { readProse } from '../language/texts.js';
import { wrapComments } from '../language/wrap-comments.js';

function proseOf(name: string, text: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-language-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, name);
  writeFileSync(file, text);
  return readProse(file).map((line) => line.text.trim());
}

it.each(RULES)('the rule $pattern matches its example', ({ pattern, example }) => {
  expect(example).toMatch(pattern);
});

it('the language check reads comments and test titles of code, but no code', () => {
  const code = [
    '/** A docstring. */',
    "const url = 'http://example.com'; // a trailing comment",
    "  it('has a title', () => {",
    "  it.each(['x'])('has a title with %s', () => {",
    '  // a comment',
  ].join('\n');
  expect(proseOf('a.ts', code)).toEqual([
    'A docstring. */',
    'a trailing comment',
    'has a title',
    'has a title with %s',
    'a comment',
  ]);
});

it('the language check reads the prose of documents, but no code blocks and no identifiers', () => {
  expect(proseOf('a.md', '# Title\n\n```sh\necho\n```\n\n- an `item`\n').filter(Boolean)).toEqual([
    '# Title',
    'an `…`',
  ]);
});

it('wrapComments wraps wide comments, and does not change code or other comments', () => {
  const words = Array.from({ length: 25 }, () => 'word').join(' ');
  const code = ['// short', `  /** ${words} */`, 'const a = 1;', `call(); // ${words}`].join('\n');
  expect(wrapComments(code).split('\n')).toEqual([
    '// short',
    '  /**',
    `   * ${words.slice(0, 94)}`,
    `   * ${words.slice(95)}`,
    '   */',
    'const a = 1;',
    `// ${words.slice(0, 94)}`,
    `// ${words.slice(95)}`,
    'call();',
  ]);
});
