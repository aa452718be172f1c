import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EnvironmentError, readEnvironment } from './read-environment.js';
import { httpUrl, wholeNumber, wordList } from './variables.js';

const schema = z.object({
  PORT: wholeNumber(0, 65_535).default(80),
  SECRET: z.string({ error: 'is required' }),
  URL: httpUrl().optional(),
  HOSTS: wordList().optional(),
});

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'latchkey-environment-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const read = (variables: NodeJS.ProcessEnv) => readEnvironment(schema, ['SECRET'], variables);

function problemsOf(variables: NodeJS.ProcessEnv): readonly string[] {
  try {
    read(variables);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.problems;
    throw error;
  }
  return [];
}

describe('readEnvironment', () => {
  it('uses defaults for absent and empty variables', () => {
    expect(read({ SECRET: 's', PORT: '' })).toEqual({ SECRET: 's', PORT: 80 });
  });

  it('lists all problems in one error, without the values', () => {
    expect(problemsOf({ PORT: 'canary', URL: 'canary' })).toEqual([
      'PORT: must be a whole number',
      'SECRET: is required',
      'URL: must be an http:// or https:// URL without user, query or fragment',
    ]);
  });

  it('reads a secret from its _FILE variable', () => {
    const path = join(folder, 'secret');
    writeFileSync(path, 'from a file\n');
    expect(read({ SECRET_FILE: path }).SECRET).toBe('from a file');
  });

  it('refuses a missing file, and a secret that is set both directly and by a file', () => {
    expect(problemsOf({ SECRET: 's', SECRET_FILE: join(folder, 'absent') })).toEqual([
      'SECRET_FILE: set SECRET or SECRET_FILE, not both',
      'SECRET_FILE: the file cannot be read',
    ]);
  });

  it.each(['ftp://host', 'http://user:pass@host', 'http://host?key=1', 'http://host#x', 'host:80'])(
    'refuses the URL %s',
    (URL) => {
      expect(problemsOf({ SECRET: 's', URL })).toHaveLength(1);
    },
  );

  it('splits a list at its commas', () => {
    expect(read({ SECRET: 's', HOSTS: ' a, b,,c ' }).HOSTS).toEqual(['a', 'b', 'c']);
  });
});
