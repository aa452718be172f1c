import { beforeAll, describe, expect, it } from 'vitest';
import { addUser } from '../../test/support/users.js';
import { CLIENT_KINDS, callTool, connect } from './support/clients.js';
import { FakeBackend, respond } from './support/fake-backend.js';
import { useStack } from './support/stack.js';
import { JWT_SECRET, token } from './support/tokens.js';
import { API_KEY, startMcp } from './support/servers.js';

const stack = useStack({ LOG_LEVEL: 'trace', MCP_TOKEN_ARGUMENT: 'allow' }, { LOG_LEVEL: 'trace' });

const NAME = 'Canary Nightingale';
const PHONE = '+12025550147';
const NEW_PHONE = '+442079460958';
const BALANCE = '7391.58';

let secrets: Record<string, string>;
let output: string;

beforeAll(async () => {
  const accounts = { create: { type: 'checking', currency: 'USD', balance: BALANCE } } as const;
  const fields = { name: NAME, phone: PHONE, permissions: ['read', 'configure'], accounts };
  const { id, email } = await addUser(stack.prisma, fields);
  const jwt = await token(id);
  const { url } = stack.mcp;
  for (const kind of CLIENT_KINDS) {
    const client = await connect(url, jwt, kind);
    await client.callTool('get_balance');
    await client.callTool('get_profile');
    await client.callTool('update_phone', { phone: NEW_PHONE });
    await client.callTool('update_phone', { phone: `${NEW_PHONE}x` });
    await client.callTool('get_balance', { jwt_token: jwt });
    await client.close();
  }
  await fetch(url, { method: 'POST', headers: { authorization: `Bearer ${jwt}x` } });
  await fetch(new URL(`?access_token=${jwt}`, url), { method: 'POST', body: jwt });
  secrets = { jwt, NAME, PHONE, NEW_PHONE, BALANCE, id, email, API_KEY, JWT_SECRET };
  output = (await outputOfFailures(jwt)) + stack.mcp.output;
});

async function outputOfFailures(jwt: string): Promise<string> {
  const backend = await FakeBackend.start();
  const mcp = await startMcp({ BACKEND_API_URL: backend.url, LOG_LEVEL: 'trace' });
  // 404 comes last, because the server caches that the user is absent.
  for (const status of [200, 302, 401, 500, 503, 404]) {
    backend.become(respond(status, { user: { name: NAME, phone: PHONE, balance: BALANCE } }));
    await callTool(mcp.url, jwt, 'get_balance');
  }
  await mcp.stop();
  await backend.stop();
  return mcp.output;
}

describe('the log at trace level', () => {
  it.each(['jwt', 'NAME', 'PHONE', 'NEW_PHONE', 'BALANCE', 'id', 'email', 'API_KEY', 'JWT_SECRET'])(
    'does not contain %s in any encoding',
    (name) => {
      const secret = secrets[name] ?? '';
      expect(secret.length).toBeGreaterThan(5);
      const forms = [
        secret,
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64').replace(/=+$/, ''),
        Buffer.from(secret).toString('base64url'),
        Buffer.from(secret).toString('hex'),
        // Parts of a token, because a truncated line could contain only a part.
        ...secret.split('.').filter((part) => part.length > 20),
      ];
      for (const form of forms) expect(output).not.toContain(form);
    },
  );

  it('has a line for each tool call, with its outcome', () => {
    const lines = output.split('\n').filter((line) => line.includes('"msg":"tool call"'));
    expect(lines.length).toBeGreaterThan(4 * 4);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      tool: 'get_balance',
      outcome: expect.any(String),
      durationMs: expect.any(Number),
      user: expect.stringMatching(/^[\da-f]{12}$/),
      clientId: 'tests',
      era: expect.stringMatching(/^(legacy|modern)$/),
      requestId: expect.any(String),
    });
  });
});
