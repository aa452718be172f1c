import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { START_FILE, loadEnvFiles, loadStartVariables } from './env-files.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'latchkey-env-files-'));
  mkdirSync(join(folder, '.data'));
  vi.spyOn(process, 'cwd').mockReturnValue(folder);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function write(path: string, ...lines: string[]): void {
  writeFileSync(join(folder, path), lines.join('\n'));
}

function loaded(variables: Record<string, string> = {}): Record<string, string | undefined> {
  const given: Record<string, string | undefined> = { ...variables };
  loadEnvFiles(given);
  return given;
}

describe('loadEnvFiles', () => {
  it('prefers exported variables to .env.local, and .env.local to .env', () => {
    write('.env', 'PORT=1', 'HOST=env', 'LIMITS=on');
    write('.env.local', 'HOST=local', 'LIMITS=off');
    expect(loaded({ LIMITS: 'exported' })).toEqual({
      PORT: '1',
      HOST: 'local',
      LIMITS: 'exported',
    });
  });

  it('uses the database of npm start only if no other database is configured', () => {
    write(START_FILE, 'DATABASE_URL=embedded', 'PORT=9');
    write('.env', 'DATABASE_URL=');
    expect(loaded()).toEqual({ DATABASE_URL: 'embedded' });
    expect(loaded({ DATABASE_URL_FILE: 'file' })).toEqual({ DATABASE_URL_FILE: 'file' });
    write('.env', 'DATABASE_URL=own');
    expect(loaded()).toEqual({ DATABASE_URL: 'own' });
  });

  it('does not combine DATABASE_URL and DIRECT_URL from two sources', () => {
    write('.env.local', 'DATABASE_URL=near');
    write('.env', 'DIRECT_URL=far', 'PORT=1');
    expect(loaded()).toEqual({ DATABASE_URL: 'near', PORT: '1' });
    expect(loaded({ DIRECT_URL: 'own' })).toEqual({ DIRECT_URL: 'own', PORT: '1' });
  });

  it.each([
    ['NODE_ENV', 'production'],
    ['NODE_ENV', 'test'],
    ['ENV_FILES', 'off'],
  ])('reads no file if %s is %s', (name, value) => {
    write('.env', 'PORT=1');
    expect(loaded({ [name]: value })).toEqual({ [name]: value });
  });
});

it('loadStartVariables prefers the variables of npm start to exported variables', () => {
  write(START_FILE, "JWT_SECRET='of the start'");
  const variables = { JWT_SECRET: 'exported' };
  loadStartVariables(variables);
  expect(variables).toEqual({ JWT_SECRET: 'of the start' });
});
