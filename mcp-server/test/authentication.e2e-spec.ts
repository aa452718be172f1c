import { request } from 'node:http';
import { UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JwksServer } from '../../packages/access-tokens/test/jwks-server.js';
import { MISTYPED_CLAIMS, signPayload } from '../../packages/access-tokens/test/sign-payload.js';
import type { ServerProcess } from '../../test/support/server-process.js';
import { connect } from './support/clients.js';
import { AUDIENCE, JWT_SECRET, token } from './support/tokens.js';
import { API_KEY, refusalOfMcp, startMcp } from './support/servers.js';

// Nothing listens at this address: these tests need no backend.
const BACKEND_API_URL = 'http://127.0.0.1:1';
const METADATA_PATH = '/.well-known/oauth-protected-resource';

const LIST_TOOLS = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
const HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
};

interface Answer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/** Sends a POST request without `fetch`, which sets Host and Origin itself. */
function post(url: URL, headers: Record<string, string>, body = LIST_TOOLS): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', headers: { ...HEADERS, ...headers } });
    outgoing.on('error', reject).on('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: text }),
      );
    });
    outgoing.end(body);
  });
}

let mcp: ServerProcess;
beforeAll(async () => {
  mcp = await startMcp({ BACKEND_API_URL });
});
afterAll(() => mcp.stop());

describe('the MCP endpoint', () => {
  const now = Math.floor(Date.now() / 1000);

  const BAD_TOKENS: [string, () => Promise<string> | string][] = [
    ['is garbage', () => 'garbage'],
    ['has expired', () => token('12345', { lifetimeSeconds: -60 })],
    ['is meant for another audience', () => token('12345', { audience: 'https://other.example' })],
    ['is meant for this audience plus a slash', () => token('1', { audience: `${AUDIENCE}/` })],
    ['comes from another issuer', () => token('12345', { issuer: 'https://evil.example' })],
    ['is signed with another secret', () => token('12345', { secret: JWT_SECRET.toUpperCase() })],
    ['has a subject that is not a user id', () => token('../api-keys')],
    ['has an empty subject', () => token('')],
    [
      'has the algorithm none',
      () =>
        new UnsecuredJWT({ scope: 'balance:read' })
          .setIssuer('latchkey-development')
          .setAudience(AUDIENCE)
          .setSubject('12345')
          .setExpirationTime(now + 600)
          .encode(),
    ],
    [
      'has a changed payload',
      async () => {
        const [header, , signature] = (await token('12345')).split('.');
        const [, payload] = (await token('administrator')).split('.');
        return [header, payload, signature].join('.');
      },
    ],
  ];

  it.each(BAD_TOKENS)('responds with 401 to a token that %s', async (_fault, make) => {
    const answer = await post(mcp.url, { authorization: `Bearer ${await make()}` });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token"/);
  });

  it.each(MISTYPED_CLAIMS)('responds with 401 to a claim of the wrong type: %s', async (claim) => {
    const claims = { iss: 'latchkey-development', aud: AUDIENCE, sub: '12345', exp: now + 600 };
    const payload = `${JSON.stringify(claims).slice(0, -1)},${claim}}`;
    const authorization = `Bearer ${await signPayload(payload, JWT_SECRET)}`;
    const answer = await post(mcp.url, { authorization });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token"/);
  });

  it.each(['', 'Basic dXNlcjpwYXNz', 'Bearer', 'Bearer a b'])(
    'responds with 401 to the Authorization header %j',
    async (authorization) => {
      const answer = await post(mcp.url, authorization === '' ? {} : { authorization });
      expect(answer.status).toBe(401);
    },
  );

  it('names the metadata URL and the scopes in the challenge', async () => {
    const { headers } = await post(mcp.url, {});
    expect(headers['www-authenticate']).toContain(
      'resource_metadata="http://localhost:3001/.well-known/oauth-protected-resource/mcp"',
    );
    expect(headers['www-authenticate']).toContain(
      'scope="balance:read profile:read profile:write"',
    );
  });

  it('accepts a token that expired 10 s ago, within the clock tolerance', async () => {
    const authorization = `Bearer ${await token('12345', { lifetimeSeconds: -10 })}`;
    expect((await post(mcp.url, { authorization })).status).toBe(200);
  });

  it('ignores a token in the URL', async () => {
    const url = new URL(`?access_token=${await token('12345')}`, mcp.url);
    expect((await post(url, {})).status).toBe(401);
  });

  it('responds with 403 and the missing scope if the token lacks the scope of a tool', async () => {
    const authorization = `Bearer ${await token('12345', { scopes: ['profile:read'] })}`;
    const call = { name: 'get_balance', arguments: {} };
    const answer = await post(
      mcp.url,
      { authorization },
      JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: call }),
    );
    expect(answer.status).toBe(403);
    expect(answer.headers['www-authenticate']).toContain('scope="balance:read"');
  });
});

describe('protected-resource metadata', () => {
  it.each([METADATA_PATH, `${METADATA_PATH}/mcp`])(
    'is served at %s without authentication',
    async (path) => {
      const answer = await fetch(new URL(path, mcp.url));
      expect(answer.status).toBe(200);
      expect(await answer.json()).toEqual({
        resource: AUDIENCE,
        resource_name: 'Latchkey',
        scopes_supported: ['balance:read', 'profile:read', 'profile:write'],
        bearer_methods_supported: ['header'],
      });
    },
  );
});

describe('the MCP endpoint', () => {
  const authorization = token('12345').then((good) => `Bearer ${good}`);
  const send = async (headers: Record<string, string>) =>
    post(mcp.url, { authorization: await authorization, ...headers });

  it.each(['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io'])(
    'responds with 403 to the Host %s',
    async (host) => {
      expect((await send({ host })).status).toBe(403);
    },
  );

  it.each(['http://evil.example', 'https://localhost.evil.example', 'null'])(
    'responds with 403 to the Origin %s',
    async (origin) => {
      expect((await send({ origin })).status).toBe(403);
    },
  );

  it('accepts localhost as Host and Origin', async () => {
    const headers = { host: 'localhost:3001', origin: 'http://localhost:5173' };
    expect((await send(headers)).status).toBe(200);
  });
});

describe('the rate limit', () => {
  it('responds with 429 and Retry-After to one user over the limit, and serves other users', async () => {
    const limited = await startMcp({ BACKEND_API_URL, MCP_RATE_LIMIT: '5' });
    try {
      const send = async (id: string) =>
        post(limited.url, { authorization: `Bearer ${await token(id)}` });
      const statuses = [];
      for (let count = 0; count < 5; count++) statuses.push((await send('eager')).status);
      expect(statuses).toEqual([200, 200, 200, 200, 200]);
      const refused = await send('eager');
      expect(refused.status).toBe(429);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      expect((await send('other')).status).toBe(200);
    } finally {
      await limited.stop();
    }
  });

  it('counts each tool call of a batch, although the batch is one request', async () => {
    const limited = await startMcp({ BACKEND_API_URL, MCP_RATE_LIMIT: '5' });
    try {
      const batch = Array.from({ length: 8 }, (_, id) => {
        const params = { name: 'get_balance', arguments: {} };
        return { jsonrpc: '2.0', id, method: 'tools/call', params };
      });
      const authorization = `Bearer ${await token('12345')}`;
      const { body } = await post(limited.url, { authorization }, JSON.stringify(batch));
      expect(body.match(/The user service is unavailable/g)).toHaveLength(5);
      expect(body.match(/Too many tool calls: try again in \d+ s/g)).toHaveLength(3);
    } finally {
      await limited.stop();
    }
  });
});

describe('the jwt_token argument', () => {
  let allowing: ServerProcess;
  beforeAll(async () => {
    allowing = await startMcp({ BACKEND_API_URL, MCP_TOKEN_ARGUMENT: 'allow' });
  });
  afterAll(() => allowing.stop());

  async function call(args: Record<string, unknown>, headers: Record<string, string> = {}) {
    const params = { name: 'get_balance', arguments: args };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    return post(allowing.url, headers, body);
  }

  it('replaces the Authorization header if the server has MCP_TOKEN_ARGUMENT=allow', async () => {
    const { body } = await call({ jwt_token: await token('12345') });
    // The server has accepted the token; only the backend is unavailable.
    expect(body).toContain('The user service is unavailable');
  });

  it.each([
    ['is missing', () => undefined],
    ['is garbage', () => 'garbage'],
    ['has expired', () => token('12345', { lifetimeSeconds: -60 })],
  ])('causes a tool error if it %s', async (_fault, make) => {
    const { status, body } = await call({ jwt_token: await make() });
    expect(status).toBe(200);
    expect(body).toMatch(/"isError":true/);
    expect(body).toMatch(/The access token (is not a signed JWT|has expired)/);
  });

  it('causes a tool error if its token lacks the scope of the tool', async () => {
    const { body } = await call({ jwt_token: await token('12345', { scopes: [] }) });
    expect(body).toContain('lacks the scope');
  });

  it('is refused if the request also has an Authorization header', async () => {
    const authorization = `Bearer ${await token('12345')}`;
    const { body } = await call({ jwt_token: await token('administrator') }, { authorization });
    expect(body).toContain('Leave jwt_token out');
  });

  it('does not replace an invalid Authorization header', async () => {
    const answer = await call({ jwt_token: await token('12345') }, { authorization: 'Bearer x' });
    expect(answer.status).toBe(401);
  });
});

describe('the MCP server with a JWKS URL', () => {
  it.each(['RS256', 'ES256', 'EdDSA'])(
    'accepts tokens that are signed with %s',
    async (algorithm) => {
      await withIssuer(algorithm, async (issuer, server) => {
        const client = await connect(server.url, await issuer.sign('12345', AUDIENCE));
        expect(await client.toolNames()).toHaveLength(3);
        await client.close();
      });
    },
  );

  it('rejects a token that is signed with the published key set as an HMAC secret', async () => {
    await withIssuer('RS256', async (issuer, server) => {
      const jwks = await (await fetch(issuer.url)).text();
      const forged = await token('12345', { secret: jwks, issuer: issuer.issuer });
      const answer = await post(server.url, { authorization: `Bearer ${forged}` });
      expect(answer.status).toBe(401);
    });
  });

  it('rejects a token whose algorithm is not in JWT_ALGORITHMS', async () => {
    await withIssuer('PS256', async (issuer, server) => {
      const authorization = `Bearer ${await issuer.sign('12345', AUDIENCE)}`;
      expect((await post(server.url, { authorization })).status).toBe(401);
    });
  });

  it('responds with 503 while the key set is unavailable', async () => {
    await withIssuer('ES256', async (issuer, server) => {
      const authorization = `Bearer ${await issuer.sign('12345', AUDIENCE)}`;
      await issuer.stop();
      const answer = await post(server.url, { authorization });
      expect(answer.status).toBe(503);
      expect(answer.headers['retry-after']).toBe('5');
    });
  });
});

async function withIssuer(
  algorithm: string,
  test: (issuer: JwksServer, server: ServerProcess) => Promise<void>,
): Promise<void> {
  const issuer = await JwksServer.start();
  await issuer.useNewKey(algorithm);
  const server = await startMcp({
    BACKEND_API_URL,
    JWT_SECRET: '',
    JWT_JWKS_URL: issuer.url,
    JWT_ISSUER: issuer.issuer,
  });
  try {
    await test(issuer, server);
  } finally {
    await server.stop();
    await issuer.stop();
  }
}

describe('the start of the MCP server', () => {
  it('fails if neither JWT_SECRET nor JWT_JWKS_URL is set', async () => {
    const { code, output } = await refusalOfMcp({ JWT_SECRET: '' });
    expect(code).toBe(1);
    expect(output).toMatch(/^ {2}JWT_SECRET: set exactly one of JWT_SECRET and JWT_JWKS_URL/m);
  });

  it('fails with a short JWT_SECRET, and keeps the secret out of the output', async () => {
    const { code, output } = await refusalOfMcp({ JWT_SECRET: 'canary' });
    expect(code).toBe(1);
    expect(output).toMatch(/JWT_SECRET: must have 32 bytes/);
    expect(output).not.toContain('canary');
  });

  it('fails in production with BACKEND_FALLBACK=mock', async () => {
    const { output } = await refusalOfMcp({
      NODE_ENV: 'production',
      BACKEND_FALLBACK: 'mock',
      MCP_PUBLIC_URL: 'https://mcp.example/mcp',
      JWT_ISSUER: 'https://issuer.example',
      INTERNAL_API_KEY: API_KEY,
    });
    expect(output).toMatch(/BACKEND_FALLBACK: must be off in production/);
  });
});
