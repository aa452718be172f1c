import { EnvironmentError } from '@latchkey/environment/read-environment';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rootKeySchema } from './root-key.js';
import { misspelledVariables, parseEnvironment } from './environment.js';

const KEY = '9f8e2b7c6d5a4f3e1b0c8d7a6e5f4b3c';
const OTHER_KEY = '0a1c2e4b6d8f7053942b6a8c0e1d3f57';
const DATABASE_URL = 'postgresql://app:pa55word@db:5432/latchkey';
const ROOT_KEY = rootKeySchema.parse(KEY);
const GOOD = { DATABASE_URL, INTERNAL_API_KEY: KEY };

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'latchkey-environment-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function writeSecret(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function problemsOf(variables: NodeJS.ProcessEnv): readonly string[] {
  try {
    parseEnvironment(variables);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.problems;
    throw error;
  }
  return [];
}

describe('parseEnvironment', () => {
  it('accepts an http:// loopback URL for signing keys, but not in production', () => {
    const given = { ...GOOD, JWT_JWKS_URL: 'http://127.0.0.1:8080/jwks', JWT_ISSUER: 'issuer' };
    expect(parseEnvironment(given)).toMatchObject({ JWT_JWKS_URL: given.JWT_JWKS_URL });
    expect(() => parseEnvironment({ ...given, NODE_ENV: 'production' })).toThrow(
      'JWT_JWKS_URL: must be https:// in production',
    );
  });

  it('requires only a database and a root key, and has safe defaults for the rest', () => {
    expect(parseEnvironment(GOOD)).toEqual({
      DATABASE_URL,
      INTERNAL_API_KEY: ROOT_KEY,
      NODE_ENV: 'development',
      HOST: '127.0.0.1',
      PORT: 3000,
      LOG_LEVEL: 'info',
      DRAIN_SECONDS: 0,
      KEEP_ALIVE_SECONDS: 4,
      METRICS_HOST: '127.0.0.1',
      API_DOCS: 'on',
      DATABASE_POOL_MAX: 10,
      API_KEY_ENVIRONMENT: 'dev',
      LIMITS: 'on',
      KEY_RATE_LIMIT: 60_000,
      KEY_CONCURRENCY_LIMIT: 256,
      KEY_USERS_LIMIT: 100_000,
      KEY_MISSES_LIMIT: 1000,
      SOURCE_FAILURE_LIMIT: 100,
      USAGE_RECORDING: 'on',
      ALERT_SOURCE_FAILURES: 20,
      ALERT_FAILING_SOURCES: 20,
      ALERT_KEY_EXPIRY_DAYS: 7,
      ALERT_KEY_UNUSED_DAYS: 30,
      ALERT_QUIET_SECONDS: 300,
      TRUSTED_PROXIES: [],
      NEW_USER_PERMISSIONS: [],
      accessTokens: {
        keys: 'none',
        issuer: 'latchkey-development',
        audience: 'http://localhost:3000',
      },
    });
  });

  it('reads every variable', () => {
    const given = {
      NODE_ENV: 'production',
      HOST: '0.0.0.0',
      PORT: '8080',
      LOG_LEVEL: 'warn',
      DRAIN_SECONDS: '20',
      KEEP_ALIVE_SECONDS: '75',
      METRICS_HOST: '0.0.0.0',
      METRICS_PORT: '9464',
      API_DOCS: 'on',
      DATABASE_POOL_MAX: '3',
      INTERNAL_API_KEY_PREVIOUS: OTHER_KEY,
      API_KEY_ENVIRONMENT: 'test',
      LIMITS: 'off',
      KEY_RATE_LIMIT: '1',
      KEY_CONCURRENCY_LIMIT: '1',
      KEY_USERS_LIMIT: '2',
      KEY_MISSES_LIMIT: '3',
      SOURCE_FAILURE_LIMIT: '4',
      REDIS_URL: 'rediss://:pa55word@redis:6380/1',
      USAGE_RECORDING: 'off',
      ALERT_WEBHOOK_URL: 'https://hooks.example/T0/B0/x?y=z',
      ALERT_WEBHOOK_SECRET: 'c3f1a9d27b6e4058',
      ALERT_QUIET_SECONDS: '10',
      TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.7,2001:db8::/32',
      NEW_USER_PERMISSIONS: 'read, transact',
    };
    expect(parseEnvironment({ ...GOOD, ...given })).toEqual({
      ...given,
      PORT: 8080,
      KEY_RATE_LIMIT: 1,
      KEY_CONCURRENCY_LIMIT: 1,
      KEY_USERS_LIMIT: 2,
      KEY_MISSES_LIMIT: 3,
      SOURCE_FAILURE_LIMIT: 4,
      DRAIN_SECONDS: 20,
      KEEP_ALIVE_SECONDS: 75,
      METRICS_PORT: 9464,
      ALERT_SOURCE_FAILURES: 20,
      ALERT_FAILING_SOURCES: 20,
      ALERT_KEY_EXPIRY_DAYS: 7,
      ALERT_KEY_UNUSED_DAYS: 30,
      ALERT_QUIET_SECONDS: 10,
      DATABASE_POOL_MAX: 3,
      DATABASE_URL,
      INTERNAL_API_KEY: ROOT_KEY,
      INTERNAL_API_KEY_PREVIOUS: rootKeySchema.parse(OTHER_KEY),
      TRUSTED_PROXIES: ['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32'],
      NEW_USER_PERMISSIONS: ['read', 'transact'],
      accessTokens: expect.objectContaining({ audience: 'http://localhost:8080' }),
    });
  });

  it.each([
    ['development', 'dev'],
    ['test', 'test'],
    ['production', 'live'],
  ])('in %s, sets the default key environment to %s', (NODE_ENV, expected) => {
    expect(parseEnvironment({ ...GOOD, NODE_ENV }).API_KEY_ENVIRONMENT).toBe(expected);
  });

  it('refuses a proxy that is not a network, and a permission in upper case', () => {
    expect(() => parseEnvironment({ ...GOOD, TRUSTED_PROXIES: 'any' })).toThrow('TRUSTED_PROXIES');
    expect(problemsOf({ ...GOOD, NEW_USER_PERMISSIONS: 'read,Write' })).toEqual([
      expect.stringMatching(
        /^NEW_USER_PERMISSIONS.*: must begin with a letter and have at most 64/,
      ),
    ]);
  });

  it.each(['localhost:6379', 'http://redis', 'redis://', 'redis://:p%zz@redis'])(
    'refuses %j as the URL of Redis',
    (REDIS_URL) => {
      expect(problemsOf({ ...GOOD, REDIS_URL })).toEqual([
        expect.stringMatching(/^REDIS_URL: must/),
      ]);
    },
  );

  it('drops unknown variables', () => {
    expect(parseEnvironment({ ...GOOD, HOME: '/root' })).not.toHaveProperty('HOME');
  });

  it('treats an empty variable as absent', () => {
    expect(parseEnvironment({ ...GOOD, PORT: '', INTERNAL_API_KEY_PREVIOUS: '' })).toEqual(
      parseEnvironment(GOOD),
    );
    expect(problemsOf({ ...GOOD, INTERNAL_API_KEY: '' })[0]).toMatch(
      /^INTERNAL_API_KEY: is required/,
    );
  });

  it('sets DRAIN_SECONDS to 5 in production by default', () => {
    expect(parseEnvironment({ ...GOOD, NODE_ENV: 'production' }).DRAIN_SECONDS).toBe(5);
  });

  it('turns the API docs off in production by default, and elsewhere if API_DOCS is off', () => {
    expect(parseEnvironment({ ...GOOD, NODE_ENV: 'production' }).API_DOCS).toBe('off');
    expect(parseEnvironment({ ...GOOD, API_DOCS: 'off' }).API_DOCS).toBe('off');
  });

  it('lists every problem at once', () => {
    const problems = problemsOf({
      PORT: 'http',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://db',
      NODE_ENV: 'prod',
    });
    expect(problems.map((line) => line.replace(/:.*/, '')).toSorted()).toEqual([
      'DATABASE_URL',
      'INTERNAL_API_KEY',
      'LOG_LEVEL',
      'NODE_ENV',
      'PORT',
    ]);
  });

  it('explains how to generate a missing key', () => {
    expect(problemsOf({ DATABASE_URL })).toEqual([
      'INTERNAL_API_KEY: is required; generate one with: openssl rand -hex 32',
    ]);
  });

  it('never quotes a value in a problem', () => {
    const canary = 'canary-7f3a';
    const names = [
      'NODE_ENV',
      'HOST',
      'PORT',
      'LOG_LEVEL',
      'DRAIN_SECONDS',
      'KEEP_ALIVE_SECONDS',
      'METRICS_PORT',
      'API_DOCS',
      'DATABASE_POOL_MAX',
      'DATABASE_URL',
      'LIMITS',
      'KEY_RATE_LIMIT',
      'KEY_CONCURRENCY_LIMIT',
      'REDIS_URL',
      'ALERT_WEBHOOK_URL',
      'ALERT_WEBHOOK_SECRET',
    ];
    const keys = [
      'INTERNAL_API_KEY',
      'INTERNAL_API_KEY_PREVIOUS',
      'INTERNAL_API_KEY_FILE',
      'DATABASE_URL_FILE',
    ];
    const variables = Object.fromEntries(
      [...names, ...keys].map((name) => [name, `${canary} ${canary}`]),
    );
    const problems = problemsOf(variables);
    expect(problems.length).toBeGreaterThan(7);
    expect(problems.join('\n')).not.toContain(canary);
  });

  it.each(['-1', '65536', '3000.5', '0x10', '1e3', ' 1'])('refuses %j as a port', (PORT) => {
    expect(problemsOf({ ...GOOD, PORT })).toEqual([expect.stringMatching(/^PORT: must be /)]);
  });

  it('accepts 0 and 65535 as ports', () => {
    expect(parseEnvironment({ ...GOOD, PORT: '0' }).PORT).toBe(0);
    expect(parseEnvironment({ ...GOOD, PORT: '65535' }).PORT).toBe(65_535);
  });

  it.each([
    'mysql://db',
    'db:5432',
    'not a url',
    'postgresql://',
    'postgresql:///latchkey',
    'postgresql://u:p%zz@db/l',
  ])('refuses %j as the URL of the database', (url) => {
    expect(problemsOf({ ...GOOD, DATABASE_URL: url })).toEqual([
      'DATABASE_URL: must be a postgresql:// URL with a host and a percent-encoded password',
    ]);
  });

  it.each(['postgresql:///latchkey?host=/run/postgresql', 'postgresql://u:p%40ss@db/latchkey'])(
    'accepts %j as the URL of the database',
    (url) => {
      expect(parseEnvironment({ ...GOOD, DATABASE_URL: url }).DATABASE_URL).toBe(url);
    },
  );

  it('refuses a blank HOST', () => {
    expect(problemsOf({ ...GOOD, HOST: ' ' })).toEqual(['HOST: must be an address']);
  });

  it('accepts the scheme postgres:// as well', () => {
    expect(parseEnvironment({ ...GOOD, DATABASE_URL: 'postgres://db/latchkey' }).DATABASE_URL).toBe(
      'postgres://db/latchkey',
    );
  });
});

describe('parseEnvironment with secrets in files', () => {
  it('reads a secret from its _FILE variable', () => {
    const path = writeSecret('database-url', `${DATABASE_URL}\n`);
    const environment = parseEnvironment({ INTERNAL_API_KEY: KEY, DATABASE_URL_FILE: path });
    expect(environment.DATABASE_URL).toBe(DATABASE_URL);
  });

  it('refuses a secret that is set both directly and by a file', () => {
    const path = writeSecret('previous', OTHER_KEY);
    const both = { INTERNAL_API_KEY_PREVIOUS: OTHER_KEY, INTERNAL_API_KEY_PREVIOUS_FILE: path };
    expect(problemsOf({ ...GOOD, ...both })).toEqual([
      'INTERNAL_API_KEY_PREVIOUS_FILE: set INTERNAL_API_KEY_PREVIOUS or INTERNAL_API_KEY_PREVIOUS_FILE, not both',
    ]);
  });

  it('refuses an empty file', () => {
    const path = writeSecret('empty', '\n');
    expect(problemsOf({ ...GOOD, INTERNAL_API_KEY_PREVIOUS_FILE: path })).toEqual([
      'INTERNAL_API_KEY_PREVIOUS_FILE: the file is empty',
    ]);
  });

  it('names the variable of an unreadable file', () => {
    const problems = problemsOf({
      ...GOOD,
      INTERNAL_API_KEY_PREVIOUS_FILE: join(folder, 'absent'),
    });
    expect(problems).toEqual(['INTERNAL_API_KEY_PREVIOUS_FILE: the file cannot be read']);
  });
});

describe('parseEnvironment with root keys', () => {
  const production = { ...GOOD, NODE_ENV: 'production' };

  it('accepts a key file instead of the key', () => {
    const path = writeSecret('keys', `${KEY}\n${OTHER_KEY}\n`);
    expect(
      parseEnvironment({ DATABASE_URL, INTERNAL_API_KEY_FILE: path }).INTERNAL_API_KEY_FILE,
    ).toBe(path);
  });

  it.each([{ INTERNAL_API_KEY: KEY }, { INTERNAL_API_KEY_PREVIOUS: KEY }])(
    'refuses a key file together with %o',
    (keys) => {
      const INTERNAL_API_KEY_FILE = writeSecret('beside', OTHER_KEY);
      expect(problemsOf({ DATABASE_URL, INTERNAL_API_KEY_FILE, ...keys })).toEqual([
        'INTERNAL_API_KEY_FILE: contains all root keys; set INTERNAL_API_KEY or INTERNAL_API_KEY_FILE, not both',
      ]);
    },
  );

  it('accepts the example key of the user guide in development', () => {
    expect(problemsOf({ ...GOOD, INTERNAL_API_KEY: 'test-api-key-12345' })).toEqual([]);
  });

  it.each(['INTERNAL_API_KEY', 'INTERNAL_API_KEY_PREVIOUS'])(
    'refuses a weak %s in production',
    (name) => {
      expect(problemsOf({ ...production, [name]: 'test-api-key-12345' })).toEqual([
        `${name}: is shorter than 32 characters: refused in production; generate one with: openssl rand -hex 32`,
      ]);
    },
  );

  it('refuses a key file with one weak key in production', () => {
    const path = writeSecret('weak', `${KEY}\nweak\n`);
    const problems = problemsOf({
      DATABASE_URL,
      NODE_ENV: 'production',
      INTERNAL_API_KEY_FILE: path,
    });
    expect(problems).toEqual([
      'INTERNAL_API_KEY_FILE: the file has a key that is shorter than 32 characters',
    ]);
  });

  it('accepts strong keys in production', () => {
    expect(problemsOf({ ...production, INTERNAL_API_KEY_PREVIOUS: OTHER_KEY })).toEqual([]);
  });

  it('refuses a key that no header can carry', () => {
    expect(problemsOf({ ...GOOD, INTERNAL_API_KEY: 'two, keys' })).toEqual([
      'INTERNAL_API_KEY: must be visible ASCII characters without spaces and commas',
    ]);
  });

  it('refuses a key file that cannot be read', () => {
    const problems = problemsOf({ DATABASE_URL, INTERNAL_API_KEY_FILE: join(folder, 'absent') });
    expect(problems).toEqual(['INTERNAL_API_KEY_FILE: the file cannot be read']);
  });
});

describe('the settings of access tokens', () => {
  const JWT_SECRET = OTHER_KEY;

  it('contain the secret, the issuer and the audience', () => {
    const { accessTokens } = parseEnvironment({
      ...GOOD,
      JWT_SECRET,
      AUTH_TOKEN_AUDIENCE: 'us',
      JWT_ISSUER: 'them',
    });
    expect(accessTokens).toEqual({ keys: { secret: JWT_SECRET }, issuer: 'them', audience: 'us' });
  });

  it('contain a secret that is in a file', () => {
    const JWT_SECRET_FILE = writeSecret('jwt-secret', JWT_SECRET);
    expect(parseEnvironment({ ...GOOD, JWT_SECRET_FILE }).accessTokens.keys).toEqual({
      secret: JWT_SECRET,
    });
  });

  it('require a secret of 32 bytes or more', () => {
    expect(problemsOf({ ...GOOD, JWT_SECRET: 'short' })).toEqual([
      expect.stringMatching(/^JWT_SECRET: must have 32 bytes/),
    ]);
  });
});

describe('misspelledVariables', () => {
  it('suggests the variable that was probably meant', () => {
    expect(misspelledVariables({ INTERNAL_API_KY: 'x', PATH: '/bin', HOME: '/root' })).toEqual([
      expect.stringContaining('INTERNAL_API_KEY'),
    ]);
  });
});
