import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Exchange, exchange } from '../../test/chaos/support/raw-exchange.js';
import {
  DROPPED_AFTER,
  HIDDEN_FIELDS,
  hidingRequest,
  padding,
} from '../../test/support/padded-requests.js';
import type { ServerProcess } from '../../test/support/server-process.js';
import { startMcp } from './support/servers.js';
import { token } from './support/tokens.js';

const LIVE = '/health/live';
const METADATA = '/.well-known/oauth-protected-resource/mcp';
// A second request on the same connection. After a refusal, the server must not respond to it.
const NEXT = `GET ${LIVE} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const LIST_TOOLS = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });

const errorSchema = z.strictObject({
  statusCode: z.int(),
  message: z.string(),
  error: z.string(),
});

let mcp: ServerProcess;
let authorization: string;
beforeAll(async () => {
  // Nothing listens at this address: these tests need no backend.
  mcp = await startMcp({ BACKEND_API_URL: 'http://127.0.0.1:1' });
  authorization = `Authorization: Bearer ${await token('12345')}`;
});
afterAll(() => mcp.stop());

function send(bytes: string): Promise<Exchange> {
  return exchange(Number(mcp.url.port), bytes);
}

async function statusesOf(bytes: string): Promise<number[]> {
  return (await send(bytes)).responses.map(({ status }) => status);
}

function get(path: string, fields: readonly string[], version = '1.1'): string {
  return `${[`GET ${path} HTTP/${version}`, ...fields].join('\r\n')}\r\n\r\n`;
}

/** A `tools/list` request, which gets 200 if `fields` contain a valid Host and a valid token. */
function listTools(fields: readonly string[]): string {
  const lines = [
    'POST /mcp HTTP/1.1',
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    `Content-Length: ${LIST_TOOLS.length}`,
    ...fields,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${LIST_TOOLS}`;
}

/**
 * Expects a single response with this status and the format of Nest's exceptions. Also expects that
 * the server closes the connection.
 */
async function expectRefused(status: number, bytes: string): Promise<void> {
  const { responses, rest, isRefused } = await send(bytes);
  expect(responses.map((response) => response.status)).toEqual([status]);
  const [answer] = responses;
  expect(answer?.contentType).toBe('application/json; charset=utf-8');
  expect(errorSchema.parse(JSON.parse(answer?.body ?? '')).statusCode).toBe(status);
  expect(rest).toBe('');
  expect(isRefused).toBe(true);
}

describe('the limit of 100 header fields', () => {
  it('admits 100 fields and refuses 101', async () => {
    const call = (count: number) =>
      listTools(['Host: localhost', authorization, ...padding(count - 5)]);
    expect(await statusesOf(call(100))).toEqual([200]);
    await expectRefused(431, call(101) + NEXT);
  });

  it.each(HIDDEN_FIELDS)(
    'refuses a request with so many fields that Node would drop $title',
    async (hidden) => {
      const request = hidingRequest(LIVE, [], padding(DROPPED_AFTER), hidden);
      await expectRefused(431, request + NEXT);
    },
  );

  it('refuses a request with so many fields that Node would drop a second Authorization', async () => {
    const fields = ['Host: localhost', authorization, ...padding(DROPPED_AFTER)];
    await expectRefused(431, listTools([...fields, 'Authorization: Bearer other']) + NEXT);
  });

  it.each([
    ['for an unknown route', '/nowhere', []],
    ['for the metadata', METADATA, []],
    ['without an access token', '/mcp', []],
    ['with a malformed Host', LIVE, ['Host: a/b']],
    ['with an upgrade', LIVE, ['Connection: upgrade', 'Upgrade: websocket']],
    ['with an unknown expectation', LIVE, ['Expect: more']],
  ])('is checked first in a request %s', async (_case, path, fields) => {
    await expectRefused(431, get(path, ['Host: localhost', ...fields, ...padding(100)]) + NEXT);
  });

  it('makes the server refuse a request before the client sends the content', async () => {
    const fields = ['Host: localhost', 'Expect: 100-continue', ...padding(100)];
    const { responses, isContinued } = await send(listTools(fields));
    expect(responses.map(({ status }) => status)).toEqual([431]);
    expect(isContinued).toBe(false);
  });

  it('lets the server send 100 Continue to a request with fewer fields', async () => {
    const result = await send(
      listTools(['Host: localhost', authorization, 'Expect: 100-continue']),
    );
    expect(result.isContinued).toBe(true);
    expect(result.responses.map(({ status }) => status)).toEqual([200]);
  });

  it('is accompanied by a limit of 16 KiB for all fields', async () => {
    await expectRefused(431, get(LIVE, ['Host: localhost', `X: ${'x'.repeat(17_000)}`]));
  });
});

describe('a malformed, repeated or missing Host', () => {
  const MALFORMED = [
    'localhost#.evil.com',
    'localhost?.evil.com',
    'localhost/evil',
    'localhost\\evil',
    'user@localhost',
    '',
    'local host',
    'localhost,localhost',
    'localhost:65536',
    'localhost:x',
    '[::1',
    '::1',
  ];

  it.each(MALFORMED)('gets 400 with and without a token: %j', async (host) => {
    await expectRefused(400, listTools([`Host: ${host}`]) + NEXT);
    await expectRefused(400, listTools([`Host: ${host}`, authorization]) + NEXT);
  });

  it.each([LIVE, METADATA, '/nowhere'])('gets 400 on the route %s', async (path) => {
    for (const host of MALFORMED) await expectRefused(400, get(path, [`Host: ${host}`]) + NEXT);
  });

  it.each(['other.example', 'localhost'])('gets 400 if the second Host is %s', async (host) => {
    const hosts = ['Host: localhost', `Host: ${host}`];
    await expectRefused(400, listTools([...hosts, authorization]) + NEXT);
    await expectRefused(400, get(LIVE, hosts) + NEXT);
  });

  it('gets 400 if it is missing in HTTP/1.1, but not in HTTP/1.0', async () => {
    await expectRefused(400, get(LIVE, []));
    expect(await statusesOf(get(LIVE, [], '1.0'))).toEqual([200]);
    expect(await statusesOf(get('/mcp', [], '1.0'))).toEqual([403]);
  });
});

describe('a well-formed Host', () => {
  it.each(['evil.example', 'localhost.evil.example', 'localhost;evil', '%6cocalhost', '[::2]'])(
    'gets 403 with and without a token if it is not in MCP_ALLOWED_HOSTS: %s',
    async (host) => {
      expect(await statusesOf(listTools([`Host: ${host}`]))).toEqual([403]);
      expect(await statusesOf(listTools([`Host: ${host}`, authorization]))).toEqual([403]);
    },
  );

  it.each(['LOCALHOST', 'localhost:1', 'localhost:', '127.0.0.1:3001', '[::1]:3001', '[0::1]'])(
    'gets 200 if it names this machine: %s',
    async (host) => {
      expect(await statusesOf(listTools([`Host: ${host}`, authorization]))).toEqual([200]);
    },
  );
});

describe('a malformed request', () => {
  const chunks = '5\r\nhello\r\n0\r\n\r\n';

  it.each([
    ['a GET request with content', `${get('/mcp', ['Host: localhost', 'Content-Length: 5'])}hello`],
    [
      'a GET request with chunked content',
      get('/mcp', ['Host: localhost', 'Transfer-Encoding: chunked']) + chunks,
    ],
    [
      'an unknown transfer coding',
      `POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n${chunks}`,
    ],
    ['HTTP/2.0 as text', get(LIVE, ['Host: localhost'], '2.0')],
    ['HTTP/0.9', get(LIVE, ['Host: localhost'], '0.9')],
    ['a CONNECT request', 'CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['bytes that are not HTTP', 'hello\r\n\r\n'],
    [
      'a GET request with a malformed chunk',
      `${get(LIVE, ['Host: localhost', 'Transfer-Encoding: chunked'])}x\r\n`,
    ],
  ])('gets 400, and the connection is closed: %s', async (_case, bytes) => {
    await expectRefused(400, bytes + NEXT);
  });

  it('gets 417 if it has an unknown expectation', async () => {
    await expectRefused(417, get(LIVE, ['Host: localhost', 'Expect: more']) + NEXT);
  });
});

it.each(['GET', 'DELETE'])(
  'a %s request with Content-Length: 0 is well-formed, and gets 405',
  async (method) => {
    const fields = ['Host: localhost', authorization, 'Content-Length: 0'];
    const accept = 'Accept: application/json, text/event-stream';
    const lines = [`${method} /mcp HTTP/1.1`, ...fields, accept];
    expect(await statusesOf(`${lines.join('\r\n')}\r\n\r\n`)).toEqual([405]);
  },
);
