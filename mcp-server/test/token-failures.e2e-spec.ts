import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { metricsOf } from '../../test/support/metrics-stack.js';
import { Scrape } from '../../test/support/metrics.js';
import type { ServerProcess } from '../../test/support/server-process.js';
import { startMcp } from './support/servers.js';
import { JWT_SECRET, token } from './support/tokens.js';

const LIMIT = 5;
const TOO_MANY = /^Too many wrong access tokens: try again in \d+ s/;

const lineSchema = z.looseObject({ level: z.string(), msg: z.string() });
const refusalSchema = z.object({ error: z.string(), error_description: z.string() });

let mcp: ServerProcess;
let wrong: string;
beforeEach(async () => {
  wrong = await token('12345', { secret: JWT_SECRET.toUpperCase() });
  mcp = await startMcp({
    // Nothing listens at this address: these tests need no backend.
    BACKEND_API_URL: 'http://127.0.0.1:1',
    MCP_TOKEN_FAILURE_LIMIT: String(LIMIT),
    MCP_TOKEN_ARGUMENT: 'allow',
    MCP_METRICS_PORT: '0',
    TRUSTED_PROXIES: '127.0.0.1',
  });
});
afterEach(() => mcp.stop());

function send(authorization: string | undefined, body: object, address: string): Promise<Response> {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'x-forwarded-for': address,
    ...(authorization === undefined ? {} : { authorization }),
  };
  return fetch(mcp.url, { method: 'POST', headers, body: JSON.stringify(body) });
}

const LIST_TOOLS = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
const list = (jwt: string, address: string) => send(`Bearer ${jwt}`, LIST_TOOLS, address);

async function callWithArgument(jwt: string | undefined, address: string): Promise<string> {
  const params = { name: 'get_balance', arguments: { jwt_token: jwt } };
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params };
  return (await send(undefined, body, address)).text();
}

async function fail(address: string, times: number): Promise<number[]> {
  const statuses = [];
  for (let count = 0; count < times; count++) statuses.push((await list(wrong, address)).status);
  return statuses;
}

const lines = (msg: string) =>
  mcp.output
    .split('\n')
    .filter((line) => line.includes(`"msg":"${msg}"`))
    .map((line) => lineSchema.parse(JSON.parse(line)));

describe('wrong access tokens', () => {
  it('above the limit lead to 429 with Retry-After, but only for the address that sent them', async () => {
    expect(await fail('192.0.2.1', LIMIT)).toEqual(Array(LIMIT).fill(401));
    const refused = await list(wrong, '192.0.2.1');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    const body = refusalSchema.parse(await refused.json());
    expect(body).toEqual({
      error: 'too_many_requests',
      error_description: expect.stringMatching(TOO_MANY),
    });
    expect(await fail('192.0.2.2', 1)).toEqual([401]);
  });

  it('are counted per /64 network of IPv6 addresses', async () => {
    await fail('2001:db8::1', LIMIT);
    expect(await fail('2001:db8::2', 1)).toEqual([429]);
    expect(await fail('2001:db8:0:1::1', 1)).toEqual([401]);
  });

  it('never lock out a valid token from the same address', async () => {
    await fail('192.0.2.1', LIMIT + 1);
    expect((await list(await token('12345'), '192.0.2.1')).status).toBe(200);
    expect(await callWithArgument(await token('12345'), '192.0.2.1')).toContain(
      'The user service is unavailable',
    );
  });

  it('are counted in the jwt_token argument too', async () => {
    for (let count = 0; count < LIMIT; count++) {
      expect(await callWithArgument(wrong, '192.0.2.1')).toContain('not signed by a trusted key');
    }
    expect(await callWithArgument(wrong, '192.0.2.1')).toContain('Too many wrong access tokens');
    expect(await fail('192.0.2.1', 1)).toEqual([429]);
    expect(await callWithArgument(wrong, '192.0.2.2')).toContain('not signed by a trusted key');
  });

  it('are counted by the address of the connection, not by a forged address header', async () => {
    for (let count = 0; count <= LIMIT; count++) {
      await fetch(mcp.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'x-latchkey-client-address': `192.0.2.${count}`,
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name: 'get_balance', arguments: { jwt_token: wrong } },
        }),
      });
    }
    expect(await fail('127.0.0.1', 1)).toEqual([429]);
  });

  it('do not include missing tokens', async () => {
    for (let count = 0; count < 2 * LIMIT; count++) await callWithArgument(undefined, '192.0.2.1');
    expect(await fail('192.0.2.1', 1)).toEqual([401]);
  });

  it('are logged one by one without token or user, and cause one warning above the limit', async () => {
    const statuses = await fail('192.0.2.1', LIMIT + 3);
    await callWithArgument('garbage', '192.0.2.2');
    await expect.poll(() => lines('access token refused')).toHaveLength(statuses.length + 1);
    const refused = lines('access token refused');
    expect(refused[0]).toMatchObject({
      level: 'info',
      event: 'authn_login_fail',
      fault: 'signature',
      source: '192.0.2.1',
      requestId: expect.any(String),
    });
    expect(refused[LIMIT]).toMatchObject({ event: 'authn_login_fail_max' });
    expect(refused.at(-1)).toMatchObject({ fault: 'malformed', source: '192.0.2.2' });
    expect(lines('too many refused access tokens from a network')).toEqual([
      expect.objectContaining({
        level: 'warn',
        event: 'authn_login_fail_max',
        network: '192.0.2.1',
        perMinute: LIMIT,
      }),
    ]);
    expect(mcp.output).not.toContain('12345');
    expect(mcp.output).not.toContain(wrong.split('.')[1]);
  });

  it('are counted by fault in a metric', async () => {
    await fail('192.0.2.1', 2);
    await list(await token('1', { lifetimeSeconds: -60 }), '192.0.2.1');
    await list('garbage', '192.0.2.1');
    await send('Basic dXNlcjpwYXNz', LIST_TOOLS, '192.0.2.1');
    await callWithArgument(await token('1', { audience: 'other' }), '192.0.2.1');
    const scrape = await Scrape.of(metricsOf(mcp));
    const countOf = (fault: string) => scrape.value('latchkey_mcp_token_failures_total', { fault });
    expect(countOf('signature')).toBe(2);
    expect(countOf('expired')).toBe(1);
    expect(countOf('malformed')).toBe(2);
    expect(countOf('claims')).toBe(1);
  });
});
