import { LoadShedder } from '@latchkey/http-front/load-shedder';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { PROBLEM_CONTENT_TYPE, problemSchema } from '../src/problems/problem.js';
import { type Exchange, exchange } from './chaos/support/raw-exchange.js';
import { API_KEY, useApp, withKey } from './support/app.js';
import { issueKey } from './support/keys.js';
import {
  DROPPED_AFTER,
  HIDDEN_FIELDS,
  type HiddenField,
  hidingRequest,
  padding,
} from './support/padded-requests.js';

const PATH = '/api/internal/users/ada';
const NEXT = `GET /api/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n`;

const FIELDS: readonly HiddenField[] = [
  ...HIDDEN_FIELDS,
  { title: 'a second X-API-Key', field: 'X-API-Key: wrong', content: '', visibleStatus: 401 },
  {
    title: 'the client address from the proxy',
    field: 'X-Forwarded-For: 203.0.113.9',
    content: '',
    visibleStatus: 401,
  },
];

const app = useApp({ TRUSTED_PROXIES: '127.0.0.1' });

let secret: string;
beforeAll(async () => {
  const ada = { id: 'ada', email: 'ada@example.com', name: 'Ada Lovelace' };
  await withKey(app.url).post('/api/internal/users').send(ada).expect(201);
  ({ secret } = await issueKey(app.url, { networks: ['10.0.0.0/8'] }));
});

function send(bytes: string): Promise<Exchange> {
  return exchange(Number(new URL(app.url).port), bytes);
}

/** Expects that the server sends only a 431 problem response, and closes the connection. */
function expectRefused({ responses, rest, isRefused }: Exchange): void {
  expect(responses.map(({ status }) => status)).toEqual([431]);
  const [response] = responses;
  expect(response?.contentType).toBe(PROBLEM_CONTENT_TYPE);
  const problem = problemSchema.parse(JSON.parse(response?.body ?? ''));
  expect(problem).toMatchObject({ code: 'HEADERS_TOO_LARGE', status: 431, retryable: false });
  expect(rest).toBe('');
  expect(isRefused).toBe(true);
}

// By default, Node's parser drops all fields after about the 1,000th. An attacker could therefore
// hide a field behind padding, which consists of many fields without a meaning.
describe('a header field that padding would hide from Node’s parser', () => {
  const credentials = () => [`X-API-Key: ${secret}`, 'X-Forwarded-For: 10.1.2.3'];

  it.each(FIELDS)('causes 431 and a closed connection: $title', async (hidden) => {
    const bytes = hidingRequest(PATH, credentials(), padding(DROPPED_AFTER), hidden);
    expectRefused(await send(bytes + NEXT));
  });

  it.each(FIELDS)('is parsed if the request has no padding (control): $title', async (hidden) => {
    const { responses } = await send(hidingRequest(PATH, credentials(), [], hidden));
    expect(responses.map(({ status }) => status)).toEqual([hidden.visibleStatus]);
  });

  it('is ignored in a trailer, and does not become a part of the next request', async () => {
    const lines = ['POST /api/internal/users HTTP/1.1', 'Host: localhost'];
    const head = [...lines, 'Content-Type: application/json', 'Transfer-Encoding: chunked'];
    const trailer = [...padding(DROPPED_AFTER), `X-API-Key: ${API_KEY}`];
    const bytes = [...head, '', '2', '{}', '0', ...trailer, '', ''].join('\r\n');
    const next = `GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const { responses } = await send(bytes + next);
    expect(responses.map(({ status }) => status)).toEqual([401, 401]);
  });
});

describe('a server that admits at most 100 header fields', () => {
  const request = (fields: number, first = `GET ${PATH}`, lines: readonly string[] = []) => {
    const known = ['Host: localhost', `X-API-Key: ${API_KEY}`, ...lines];
    const all = [...known, ...padding(fields - known.length)];
    return `${first} HTTP/1.1\r\n${all.join('\r\n')}\r\n\r\n`;
  };

  it('admits a request with 100 fields', async () => {
    const { responses } = await send(request(100));
    expect(responses.map(({ status }) => status)).toEqual([200]);
  });

  it('refuses a request with 101 fields', async () => {
    expectRefused(await send(request(101)));
  });

  it.each([
    ['a health request', request(101, 'GET /api/health/live')],
    ['a tunnel', request(101, 'CONNECT localhost:80')],
    ['a malformed URL', request(101, 'GET /%zz')],
    ['a URL that is too long', request(101, `GET /${'x'.repeat(9000)}`)],
    ['a malformed Host', request(101, `GET ${PATH}`, ['Host: a/b'])],
    ['an upgrade', request(101, `GET ${PATH}`, ['Connection: upgrade', 'Upgrade: websocket'])],
    ['an unknown expectation', request(101, `GET ${PATH}`, ['Expect: more'])],
  ])('counts the fields before any other check: %s', async (_case, bytes) => {
    expectRefused(await send(bytes + NEXT));
  });

  it('sends no 100 Continue before it refuses a request', async () => {
    const lines = ['Content-Length: 2', 'Expect: 100-continue'];
    const result = await send(request(101, 'POST /api/internal/users', lines));
    expectRefused(result);
    expect(result.isContinued).toBe(false);
  });

  it('sends 100 Continue for a request within the limit', async () => {
    const lines = ['Content-Type: application/json', 'Content-Length: 2', 'Expect: 100-continue'];
    const result = await send(`${request(100, 'POST /api/internal/users', lines)}{}`);
    expect(result.isContinued).toBe(true);
    expect(result.responses.map(({ status }) => status)).toEqual([400]);
  });

  it('refuses the second of three pipelined requests after the response to the first', async () => {
    const { responses, isRefused } = await send(request(2) + request(101) + request(2));
    expect(responses.map(({ status }) => status)).toEqual([200, 431]);
    expect(isRefused).toBe(true);
  });

  it('sends no second response if a CONNECT request follows the refused request', async () => {
    expectRefused(await send(request(101) + request(2, 'CONNECT localhost:80')));
  });

  it('closes the connection without a response if 100 requests follow the refused request', async () => {
    const { responses, isStuck } = await send(request(2) + request(101) + request(2).repeat(100));
    expect(responses).toEqual([]);
    expect(isStuck).toBe(false);
  });

  it('applies the limit even while load shedding admits no request', async () => {
    const admits = vi.spyOn(LoadShedder.prototype, 'admits').mockReturnValue(false);
    expectRefused(await send(request(101)));
    expect(admits).not.toHaveBeenCalled();
    admits.mockRestore();
  });
});
