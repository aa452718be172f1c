import { mintAccessToken, type TokenRequest } from '@latchkey/access-tokens/mint';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { MISTYPED_CLAIMS, signPayload } from '../packages/access-tokens/test/sign-payload.js';
import { startApp, useApp } from './support/app.js';
import { listenSilently } from './support/silent-server.js';
import { addUser } from './support/users.js';

const JWT_SECRET = '0a1c2e4b6d8f7053942b6a8c0e1d3f57';
const AUDIENCE = 'http://backend.test';
const app = useApp({ JWT_SECRET, JWT_ISSUER: 'issuer', AUTH_TOKEN_AUDIENCE: AUDIENCE });

function mint(changes: Partial<TokenRequest> = {}): Promise<string> {
  return mintAccessToken({
    secret: JWT_SECRET,
    issuer: 'issuer',
    audience: AUDIENCE,
    userId: 'john',
    clientId: 'test',
    scopes: [],
    lifetimeSeconds: 600,
    ...changes,
  });
}

const me = (authorization: string) =>
  request(app.url).get('/api/auth/me').set('Authorization', authorization);

describe('GET /api/auth/me', () => {
  it('returns the user of the token', async () => {
    const { id, email } = await addUser(app.prisma);
    const { body } = await me(`Bearer ${await mint({ userId: id })}`).expect(200);
    expect(body.user).toMatchObject({ id, email });
  });

  it('returns 404 if the user of a valid token does not exist', async () => {
    const { body } = await me(`Bearer ${await mint({ userId: 'nobody' })}`).expect(404);
    expect(body.code).toBe('USER_NOT_FOUND');
  });

  it.each([
    ['no token', async () => ''],
    ['another scheme', async () => `Basic ${await mint()}`],
    ['a token that is not a JWT', async () => 'Bearer nonsense'],
    ['an expired token', async () => `Bearer ${await mint({ lifetimeSeconds: -60 })}`],
    [
      'a token for another audience',
      async () => `Bearer ${await mint({ audience: 'http://localhost:3001/mcp' })}`,
    ],
    ['a token of another issuer', async () => `Bearer ${await mint({ issuer: 'other' })}`],
    [
      'a token that is signed with another secret',
      async () => `Bearer ${await mint({ secret: 'f'.repeat(32) })}`,
    ],
    ['a token whose subject is not an id', async () => `Bearer ${await mint({ userId: '../1' })}`],
    ['an unsigned token', async () => `Bearer ${unsigned(await mint())}`],
  ])('refuses a request with %s', async (_case, authorization) => {
    const response = await me(await authorization()).expect(401);
    expect(response.body.code).toBe('INVALID_ACCESS_TOKEN');
    expect(response.headers['www-authenticate']).toBe(
      'Bearer realm="users", error="invalid_token"',
    );
  });

  it.each(MISTYPED_CLAIMS)(
    'refuses a signed token with a claim of the wrong type: %s',
    async (claim) => {
      const exp = Math.floor(Date.now() / 1000) + 600;
      const good = JSON.stringify({ iss: 'issuer', aud: AUDIENCE, sub: 'john', exp });
      const token = await signPayload(`${good.slice(0, -1)},${claim}}`, JWT_SECRET);
      const { body } = await me(`Bearer ${token}`).expect(401);
      expect(body.code).toBe('INVALID_ACCESS_TOKEN');
    },
  );

  it('refuses every token if neither JWT_SECRET nor JWT_JWKS_URL is set', async () => {
    const closed = await startApp({ DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' });
    const response = await request(await closed.getUrl())
      .get('/api/auth/me')
      .set('Authorization', `Bearer ${await mint()}`);
    expect(response.status).toBe(401);
    await closed.close();
  });

  it('returns 503 while the issuer’s keys are unavailable', async () => {
    const silent = await listenSilently();
    silent.close();
    const waiting = await startApp({
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
      JWT_JWKS_URL: `http://127.0.0.1:${silent.port}/jwks`,
    });
    const header = Buffer.from('{"alg":"RS256","kid":"1"}').toString('base64url');
    const token = (await mint()).replace(/^[^.]+/, header);
    const response = await request(await waiting.getUrl())
      .get('/api/auth/me')
      .set('Authorization', `Bearer ${token}`);
    expect(response.status).toBe(503);
    expect(response.body).toMatchObject({ code: 'TOKEN_ISSUER_UNAVAILABLE', retryable: true });
    await waiting.close();
  });
});

function unsigned(token: string): string {
  const [, payload = ''] = token.split('.');
  return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
}
