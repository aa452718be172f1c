import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentError } from '@latchkey/environment/read-environment';
import { describe, expect, it } from 'vitest';
import { parseBackendEnvironment, parseEnvironment } from './environment.js';

const KEY = '9f8e2b7c6d5a4f3e1b0c8d7a6e5f4b3c';
const JWT_SECRET = '0a1c2e4b6d8f7053942b6a8c0e1d3f57';
const GOOD = { INTERNAL_API_KEY: KEY, JWT_SECRET };
const PRODUCTION = {
  ...GOOD,
  NODE_ENV: 'production',
  MCP_PUBLIC_URL: 'https://mcp.example/mcp',
  JWT_ISSUER: 'https://issuer.example',
};

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
  it('has safe defaults for all variables except the API key and JWT_SECRET', () => {
    expect(parseEnvironment(GOOD)).toMatchObject({
      ...GOOD,
      HOST: '127.0.0.1',
      MCP_PORT: 3001,
      DRAIN_SECONDS: 0,
      MCP_PUBLIC_URL: 'http://localhost:3001/mcp',
      MCP_ALLOWED_HOSTS: ['localhost', '127.0.0.1', '[::1]'],
      MCP_ALLOWED_ORIGINS: ['localhost', '127.0.0.1', '[::1]'],
      accessTokens: {
        keys: { secret: JWT_SECRET },
        issuer: 'latchkey-development',
        audience: 'http://localhost:3001/mcp',
      },
      MCP_TOKEN_ARGUMENT: 'deny',
      MCP_TOKEN_FAILURE_LIMIT: 100,
      BACKEND_API_URL: 'http://127.0.0.1:3000',
      BACKEND_FALLBACK: 'mock',
    });
  });

  it('suggests JWT_SECRET or JWT_JWKS_URL if neither is set', () => {
    expect(problemsOf({ INTERNAL_API_KEY: KEY })).toEqual([
      'JWT_SECRET: set exactly one of JWT_SECRET and JWT_JWKS_URL; generate a secret with: openssl rand -hex 32',
    ]);
  });

  it('rejects JWT_SECRET together with JWT_JWKS_URL', () => {
    const JWT_JWKS_URL = 'https://issuer.example/jwks';
    expect(problemsOf({ ...GOOD, JWT_JWKS_URL })).toHaveLength(1);
  });

  it('rejects a JWT algorithm that does not use public keys', () => {
    const keySet = { INTERNAL_API_KEY: KEY, JWT_JWKS_URL: 'https://issuer.example/jwks' };
    expect(problemsOf({ ...keySet, JWT_ALGORITHMS: 'RS256,EdDSA' })).toEqual([]);
    expect(problemsOf({ ...keySet, JWT_ALGORITHMS: 'HS256' })).toHaveLength(1);
    expect(problemsOf({ ...keySet, JWT_ALGORITHMS: 'none' })).toHaveLength(1);
  });

  it('reports all problems in one error, without the values of the variables', () => {
    const problems = problemsOf({
      MCP_PORT: 'canary',
      BACKEND_API_URL: 'canary',
      JWT_SECRET: 'canary',
      BACKEND_FALLBACK: 'canary',
    });
    const names = problems.map((line) => line.split(':')[0]);
    expect(new Set(names)).toEqual(
      new Set([
        'BACKEND_API_URL',
        'BACKEND_FALLBACK',
        'INTERNAL_API_KEY',
        'JWT_SECRET',
        'MCP_PORT',
      ]),
    );
    expect(problems.join('\n')).not.toContain('canary');
  });
});

describe('parseEnvironment in production', () => {
  it('accepts a valid configuration, and turns fallback data off by default', () => {
    expect(parseEnvironment(PRODUCTION)).toMatchObject({
      BACKEND_FALLBACK: 'off',
      DRAIN_SECONDS: 5,
    });
  });

  it.each([
    ['MCP_PUBLIC_URL', { MCP_PUBLIC_URL: '' }],
    ['MCP_PUBLIC_URL', { MCP_PUBLIC_URL: 'http://mcp.example/mcp' }],
    ['JWT_ISSUER', { JWT_ISSUER: '' }],
    ['JWT_SECRET', { JWT_SECRET: 'change-me-change-me-change-me-change-me' }],
    ['JWT_JWKS_URL', { JWT_SECRET: '', JWT_JWKS_URL: 'http://issuer.example/jwks' }],
    ['INTERNAL_API_KEY', { INTERNAL_API_KEY: 'test-api-key-12345' }],
    ['MCP_ALLOWED_HOSTS', { MCP_ALLOWED_HOSTS: ' , ' }],
    ['MCP_ALLOWED_HOSTS', { MCP_ALLOWED_HOSTS: 'mcp.example:3001' }],
    ['MCP_ALLOWED_HOSTS', { MCP_ALLOWED_HOSTS: 'MCP.example' }],
    ['MCP_ALLOWED_ORIGINS', { MCP_ALLOWED_ORIGINS: 'https://app.example' }],
    ['TRUSTED_PROXIES', { TRUSTED_PROXIES: 'any' }],
    ['BACKEND_FALLBACK', { BACKEND_FALLBACK: 'mock' }],
  ])('reports one problem, about %s, if the configuration contains %j', (name, variables) => {
    const problems = problemsOf({ ...PRODUCTION, ...variables });
    expect(problems.map((line) => line.split(/[.:]/)[0])).toEqual([name]);
  });

  it.each(['live', 'test', 'dev'])('accepts an lk_%s_ key, directly or in a file', (name) => {
    const key = `lk_${name}_9rT4eC39HqLyjWDarjtT1zdp7dcQ0vB8mXsK`;
    expect(problemsOf({ ...PRODUCTION, INTERNAL_API_KEY: key })).toEqual([]);
    const folder = mkdtempSync(join(tmpdir(), 'latchkey-key-'));
    const INTERNAL_API_KEY_FILE = join(folder, 'key');
    writeFileSync(INTERNAL_API_KEY_FILE, `${key}\n`);
    expect(problemsOf({ ...PRODUCTION, INTERNAL_API_KEY: '', INTERNAL_API_KEY_FILE })).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  it('says that the weak key is in the file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'latchkey-key-'));
    const INTERNAL_API_KEY_FILE = join(folder, 'key');
    writeFileSync(INTERNAL_API_KEY_FILE, 'short\n');
    expect(problemsOf({ ...PRODUCTION, INTERNAL_API_KEY: '', INTERNAL_API_KEY_FILE })).toEqual([
      'INTERNAL_API_KEY_FILE: the key in the file is shorter than 32 characters: refused in production',
    ]);
    rmSync(folder, { recursive: true });
  });

  it('allows BACKEND_FALLBACK=mock if BACKEND_FALLBACK_IN_PRODUCTION is allow', () => {
    const forced = { BACKEND_FALLBACK: 'mock', BACKEND_FALLBACK_IN_PRODUCTION: 'allow' };
    expect(parseEnvironment({ ...PRODUCTION, ...forced }).BACKEND_FALLBACK).toBe('mock');
  });
});

describe('parseBackendEnvironment', () => {
  it('requires only the API key', () => {
    expect(parseBackendEnvironment({ INTERNAL_API_KEY: KEY })).toMatchObject({
      BACKEND_API_URL: 'http://127.0.0.1:3000',
    });
  });
});
