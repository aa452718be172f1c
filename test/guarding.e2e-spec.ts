import { hash } from 'node:crypto';
import { get } from 'node:http';
import { Controller, Get, UseGuards } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeyGuard } from '../src/auth/api-key.guard.js';
import { AuthModule } from '../src/auth/auth.module.js';
import type { Scope } from '../src/api-keys/scopes.js';
import { Public, RequiresApiKey } from '../src/auth/access.decorators.js';
import { createOpenApiDocument } from '../src/openapi/openapi-document.js';
import { API_KEY, startApp, withKey } from './support/app.js';

const PUBLIC_ROUTES = ['GET /api/health', 'GET /api/health/live', 'GET /api/health/ready'];
const USER_ROUTES = ['GET /api/auth/me'];
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
const CHALLENGE = 'ApiKey realm="internal", header="X-API-Key"';

// No database listens here: a response other than 503 proves that the request needed no SQL.
const NO_DATABASE = { DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' };

// Even root keys lack this scope, because it does not exist.
const SCOPE_OF_NO_KEY: Scope = JSON.parse('"everything:write"');

let app: NestFastifyApplication;
let url: string;
beforeAll(async () => {
  app = await startApp(NO_DATABASE);
  url = await app.getUrl();
});
afterAll(() => app.close());

type Method = (typeof METHODS)[number];

/** Every route of the OpenAPI document, as method and path with the id `1`. */
function routes(): [method: Method, path: string][] {
  return Object.entries(createOpenApiDocument(app).paths).flatMap(([path, operations]) =>
    METHODS.filter((method) => method.toLowerCase() in operations).map(
      (method): [Method, string] => [method, path.replace('{id}', '1')],
    ),
  );
}

/** The routes that require an API key: all except public routes and routes for access tokens. */
function keyRoutes() {
  const others = new Set([...PUBLIC_ROUTES, ...USER_ROUTES]);
  return routes().filter(([method, path]) => !others.has(`${method} ${path}`));
}

function send(method: Method | 'HEAD', path: string, headers: Record<string, string> = {}) {
  return app.inject({ method, url: path, headers });
}

describe('every route', () => {
  it('is public only if PUBLIC_ROUTES lists it', () => {
    const publicRoutes = Object.entries(createOpenApiDocument(app).paths).flatMap(
      ([path, operations]) =>
        Object.entries(operations)
          .filter(([, operation]) => operation.security.length === 0)
          .map(([method]) => `${method.toUpperCase()} ${path}`),
    );
    expect(publicRoutes.toSorted()).toEqual(PUBLIC_ROUTES);
  });

  it.each([
    ['no key', {}],
    ['an empty key', { 'x-api-key': '' }],
    ['a wrong key', { 'x-api-key': `${API_KEY}0` }],
    ['the digest of the key', { 'x-api-key': `sha256:${hash('sha256', API_KEY)}` }],
    ['the key in a Bearer token', { authorization: `Bearer ${API_KEY}` }],
  ])(
    'that requires an API key responds with 401, without a database query, to a request with %s',
    async (_case, headers) => {
      expect(keyRoutes().length).toBeGreaterThan(6);
      for (const [method, path] of keyRoutes()) {
        const response = await send(method, path, headers);
        expect([method, path, response.statusCode]).toEqual([method, path, 401]);
        expect(response.headers['www-authenticate']).toBe(CHALLENGE);
        expect(response.json()).toMatchObject({
          code: 'INVALID_API_KEY',
          detail: 'Invalid or missing API key',
        });
      }
    },
  );

  it('that requires an API key admits a valid key', async () => {
    for (const [method, path] of keyRoutes()) {
      const { statusCode } = await send(method, path, { 'x-api-key': API_KEY });
      expect([method, path, [400, 503].includes(statusCode)]).toEqual([method, path, true]);
    }
  });

  it('that requires an access token refuses an API key', async () => {
    for (const path of USER_ROUTES.map((route) => route.replace('GET ', ''))) {
      const response = await send('GET', path, { 'x-api-key': API_KEY });
      expect(response.statusCode).toBe(401);
      expect(response.json().code).toBe('INVALID_ACCESS_TOKEN');
    }
  });

  it('refuses the key in the URL', async () => {
    for (const query of [
      `x-api-key=${API_KEY}`,
      `X-API-Key=${API_KEY}`,
      `api_key=${API_KEY}`,
      `key=${API_KEY}`,
    ]) {
      expect((await send('GET', `/api/internal/users/1?${query}`)).statusCode).toBe(401);
    }
  });
});

describe('the response to a request without a key', () => {
  it('is byte-identical for every id', async () => {
    const ids = ['1', '12345', 'nobody', '%00', 'a.b', 'x'.repeat(1000)];
    const responses = await Promise.all(
      ids.map(async (id) => {
        const { headers, body } = await send('GET', `/api/internal/users/${id}`, {
          'x-request-id': 'same',
        });
        return JSON.stringify({ ...headers, date: undefined }) + body;
      }),
    );
    expect(new Set(responses).size).toBe(1);
  });

  it('equals the response to a request with a wrong key', async () => {
    const same = { 'x-request-id': 'same' };
    const missing = await send('GET', '/api/internal/users/1', same);
    const wrong = await send('GET', '/api/internal/users/1', { ...same, 'x-api-key': 'wrong' });
    expect(wrong.body).toBe(missing.body);
  });
});

describe('the header X-API-Key', () => {
  it.each([
    ['the valid key twice', [API_KEY, API_KEY]],
    ['the valid key first', [API_KEY, 'wrong']],
    ['the valid key last', ['wrong', API_KEY]],
    ['an empty key first', ['', API_KEY]],
  ])('is refused if it is repeated: %s', async (_case, keys) => {
    const headers = keys.flatMap((key) => ['X-API-Key', key]);
    const status = await statusOf(headers);
    expect(status).toBe(401);
  });

  it('is admitted if it occurs once (control)', async () => {
    expect(await statusOf(['X-API-Key', API_KEY])).toBe(503);
  });
});

/** Sends repeated headers separately, unlike `fetch` and `inject`, and returns the status. */
async function statusOf(headers: string[]): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(
      `${url}/api/internal/users/1`,
      { headers: ['Host', 'localhost', ...headers] },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    ).on('error', reject);
  });
}

describe('a disguised path or method', () => {
  it.each([
    '//api/internal/users/1',
    '/api//internal/users/1',
    '/api/internal/users/1/',
    '/api/./internal/users/1',
    '/api/x/../internal/users/1',
    '/%61pi/internal/users/1',
    '/API/internal/users/1',
    '/api/internal%2fusers/1',
    '/api/internal/users/1;a=b',
    '/api/health/../internal/users/1',
    '/api/health/live/../../internal/users/1',
  ])('does not bypass the key check: %s', async (path) => {
    expect([401, 404]).toContain((await send('GET', path)).statusCode);
  });

  it.each(['X-Original-URL', 'X-Rewrite-URL', 'X-HTTP-Method-Override', 'X-Forwarded-Prefix'])(
    'does not bypass the key check: header %s',
    async (header) => {
      const headers = { [header.toLowerCase()]: '/api/health/live' };
      expect((await send('GET', '/api/internal/users/1', headers)).statusCode).toBe(401);
    },
  );

  it('does not bypass the key check: HEAD', async () => {
    expect((await send('HEAD', '/api/internal/users/1')).statusCode).toBe(401);
  });
});

describe('a route with a wrong access policy', () => {
  @Controller('undeclared')
  class UndeclaredController {
    @Get()
    bare(): string {
      return 'open';
    }

    @Get('guarded')
    @UseGuards(ApiKeyGuard)
    guarded(): string {
      return 'open';
    }

    @Get('contradictory')
    @Public()
    @UseGuards(ApiKeyGuard)
    contradictory(): string {
      return 'open';
    }
  }

  @Controller('unknown-scope')
  class UnknownScopeController {
    @Get()
    @RequiresApiKey(SCOPE_OF_NO_KEY)
    scoped(): string {
      return 'open';
    }
  }

  let misdeclared: NestFastifyApplication;
  beforeAll(async () => {
    misdeclared = await startApp(
      { ...NO_DATABASE, API_DOCS: 'off' },
      { imports: [AuthModule], controllers: [UndeclaredController, UnknownScopeController] },
    );
  });
  afterAll(() => misdeclared.close());

  it('refuses a key without the required scope, and names the scope', async () => {
    const { body } = await withKey(await misdeclared.getUrl())
      .get('/api/unknown-scope')
      .expect(403);
    expect(body).toMatchObject({ code: 'INSUFFICIENT_SCOPE', requiredScope: SCOPE_OF_NO_KEY });
  });

  it.each(['', '/guarded', '/contradictory'])(
    'refuses every request at /undeclared%s, even with a key',
    async (path) => {
      const { body } = await withKey(await misdeclared.getUrl())
        .get(`/api/undeclared${path}`)
        .expect(403);
      expect(body.code).toBe('ACCESS_NOT_DECLARED');
      await request(await misdeclared.getUrl())
        .get(`/api/undeclared${path}`)
        .expect((response) => expect([401, 403]).toContain(response.status));
    },
  );
});
