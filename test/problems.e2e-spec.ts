import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { PROBLEM_CONTENT_TYPE, problemSchema } from '../src/problems/problem.js';
import { API_KEY, useApp, withKey } from './support/app.js';

const app = useApp();
const api = () => withKey(app.url);
const post = (body: string, type = 'application/json') =>
  api().post('/api/internal/users').set('Content-Type', type).send(body);

interface RawResponse {
  status: number;
  headers: string;
  body: string;
}

/** Sends raw bytes and reads until the server closes the connection. */
async function sendRaw(bytes: string): Promise<RawResponse> {
  const text = await exchangeRaw(bytes);
  const [headers = '', body = ''] = text.split('\r\n\r\n');
  return { status: Number(headers.split(' ')[1]), headers: headers.toLowerCase(), body };
}

/** Sends several requests in one write, and returns the text of each response. */
async function sendPipelined(bytes: string): Promise<string[]> {
  return (await exchangeRaw(bytes)).split(/(?=HTTP\/1\.1 \d)/);
}

function exchangeRaw(bytes: string): Promise<string> {
  const { port } = new URL(app.url);
  return new Promise<string>((resolve, reject) => {
    let received = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
}

function countConnections(): Promise<number> {
  return new Promise((resolve) => {
    app.nest.getHttpServer().getConnections((_error: unknown, count: number) => resolve(count));
  });
}

describe('an error response', () => {
  it('has every member of the problem format, and the request id in body and header', async () => {
    const response = await api()
      .get('/api/internal/users/nobody')
      .set('X-Request-Id', 'trace-1')
      .expect(404);
    expect(response.headers['content-type']).toBe(PROBLEM_CONTENT_TYPE);
    expect(response.headers['x-request-id']).toBe('trace-1');
    expect(response.body).toEqual({
      type: 'urn:latchkey:problem:user-not-found',
      title: 'User not found',
      status: 404,
      detail: 'User not found',
      instance: 'urn:latchkey:request:trace-1',
      code: 'USER_NOT_FOUND',
      retryable: false,
      requestId: 'trace-1',
    });
  });
});

describe('a request that the framework refuses', () => {
  it.each([
    ['malformed JSON', () => post('{"email":'), 400, 'MALFORMED_JSON'],
    ['an empty body', () => post(''), 400, 'INVALID_REQUEST'],
    [
      'a __proto__ member in JSON',
      () => post('{"__proto__":{"admin":true}}'),
      400,
      'MALFORMED_JSON',
    ],
    [
      'a body over 64 KiB',
      () => post(JSON.stringify({ name: 'x'.repeat(65_536) })),
      413,
      'BODY_TOO_LARGE',
    ],
    [
      'a form',
      () => post('email=a', 'application/x-www-form-urlencoded'),
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    ['plain text', () => post('{}', 'text/plain'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['an unknown route', () => api().get('/api/internal/nothing'), 404, 'ROUTE_NOT_FOUND'],
    ['an unknown route outside /api', () => api().get('/internal/users/1'), 404, 'ROUTE_NOT_FOUND'],
    [
      'a known path with an additional slash',
      () => api().get('/api/internal/users/'),
      404,
      'ROUTE_NOT_FOUND',
    ],
    [
      'malformed JSON to an unknown route',
      () => api().post('/api/nowhere').type('json').send('{'),
      404,
      'ROUTE_NOT_FOUND',
    ],
    [
      'malformed JSON to a path with an empty id',
      () => api().patch('/api/internal/users/').type('json').send('{'),
      404,
      'ROUTE_NOT_FOUND',
    ],
    [
      'an unknown page of the API docs',
      () => api().get('/api/docs/nothing.css'),
      404,
      'ROUTE_NOT_FOUND',
    ],
    ['a NUL in the path of the API docs', () => api().get('/api/docs/%00'), 404, 'ROUTE_NOT_FOUND'],
    ['bad percent-encoding', () => api().get('/api/internal/users/%zz'), 400, 'MALFORMED_URL'],
    ['bytes that are not UTF-8', () => api().get('/api/internal/users/%ff'), 400, 'MALFORMED_URL'],
    [
      'an over-long URL',
      () => api().get(`/api/internal/users/${'1'.repeat(8192)}`),
      414,
      'URL_TOO_LONG',
    ],
  ])('gets a problem response: %s', async (_case, send, status, code) => {
    const response = await send();
    expect(response.headers['content-type']).toBe(PROBLEM_CONTENT_TYPE);
    expect(problemSchema.parse(response.body)).toMatchObject({ status, code, retryable: false });
    expect(response.status).toBe(status);
    expect(response.headers['x-request-id']).toBe(response.body.requestId);
  });

  it('gets 415 with Accept-Encoding for a compressed body', async () => {
    const response = await api()
      .post('/api/internal/users')
      .type('json')
      .set('Content-Encoding', 'gzip')
      .serialize((body) => body)
      .send(gzipSync('{"email":"ada@example.com"}'))
      .expect(415);
    expect(response.body.code).toBe('UNSUPPORTED_MEDIA_TYPE');
    expect(response.headers['accept-encoding']).toBe('identity');
  });

  it.each([
    ['PUT', '/api/internal/users/1', 'GET, HEAD, PATCH, DELETE'],
    ['POST', '/api/internal/users/1?a=b', 'GET, HEAD, PATCH, DELETE'],
    ['DELETE', '/api/internal/users', 'GET, HEAD, POST'],
    ['OPTIONS', '/api/internal/users/search', 'POST'],
    ['GET', '/api/internal/users/search', 'POST'],
    ['DELETE', '/api/internal/users/search?a=b', 'POST'],
    ['POST', '/api/health/live', 'GET, HEAD'],
    ['PUT', `/api/internal/users/${'1'.repeat(101)}`, 'GET, HEAD, PATCH, DELETE'],
  ] as const)('gets 405 with an Allow header for %s %s', async (method, path, allow) => {
    const response = await app.nest.inject({
      method,
      url: path,
      headers: { 'x-api-key': API_KEY },
    });
    expect(response.statusCode).toBe(405);
    expect(response.json().code).toBe('METHOD_NOT_ALLOWED');
    const allowed = String(response.headers.allow).split(', ');
    expect(allowed.toSorted()).toEqual(allow.split(', ').toSorted());
  });
});

describe('a request that the HTTP parser refuses', () => {
  it.each([
    [
      'headers over 16 KiB',
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(16_384)}\r\n\r\n`,
      431,
      'HEADERS_TOO_LARGE',
    ],
    ['no Host header', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'MALFORMED_HTTP'],
    [
      'an unknown expectation',
      'GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n',
      417,
      'EXPECTATION_FAILED',
    ],
    ['bytes that are not HTTP', 'hello\r\n\r\n', 400, 'MALFORMED_HTTP'],
    [
      'both Content-Length and Transfer-Encoding',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'MALFORMED_HTTP',
    ],
    [
      'a CONNECT request',
      'CONNECT example.com:80 HTTP/1.1\r\nHost: a\r\n\r\n',
      400,
      'MALFORMED_HTTP',
    ],
    ['two Host headers', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400, 'MALFORMED_HTTP'],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400, 'MALFORMED_HTTP'],
    ['a list of hosts in Host', 'GET / HTTP/1.1\r\nHost: a,b\r\n\r\n', 400, 'MALFORMED_HTTP'],
    ['an invalid port in Host', 'GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n', 400, 'MALFORMED_HTTP'],
    [
      'an incomplete IPv6 address in Host',
      'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n',
      400,
      'MALFORMED_HTTP',
    ],
    [
      'a malformed Host with a long URL',
      `GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: a/b\r\n\r\n`,
      400,
      'MALFORMED_HTTP',
    ],
    ['the HTTP version 2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 400, 'MALFORMED_HTTP'],
    [
      'a GET with an incomplete chunked body',
      'GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n',
      400,
      'BODY_NOT_ALLOWED',
    ],
    [
      'a GET with a body',
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}',
      400,
      'BODY_NOT_ALLOWED',
    ],
    ['incomplete headers', 'GET / HTTP/1.1\r\nHost: a\r\n', 408, 'REQUEST_TIMEOUT'],
  ])('gets a problem response: %s', async (_case, bytes, status, code) => {
    const response = await sendRaw(bytes);
    expect(response.status).toBe(status);
    expect(response.headers).toContain(`content-type: ${PROBLEM_CONTENT_TYPE}`);
    const problem = problemSchema.parse(JSON.parse(response.body));
    expect(problem).toMatchObject({ status, code });
    expect(response.headers).toContain(`x-request-id: ${problem.requestId}`);
  });

  it.each([
    ['without a Host header', 'GET / HTTP/1.1\r\n\r\n', 'MALFORMED_HTTP'],
    [
      'with a malformed URL and without a Host header',
      'GET /%zz HTTP/1.1\r\n\r\n',
      'MALFORMED_HTTP',
    ],
    [
      'with an unknown expectation',
      'GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n',
      'EXPECTATION_FAILED',
    ],
  ])('is the last request of its connection: %s', async (_case, bytes, code) => {
    const next = `GET /api/internal/users HTTP/1.1\r\nHost: a\r\nX-API-Key: ${API_KEY}\r\n\r\n`;
    const [response, ...others] = await sendPipelined(bytes + next + next);
    expect(response).toContain(code);
    expect(others).toEqual([]);
  });

  it('leaves no connection open if it is CONNECT, even if the client keeps its side open', async () => {
    const { port } = new URL(app.url);
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
    socket.resume().write('CONNECT example.com:80 HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'end');
    await vi.waitFor(async () => expect(await countConnections()).toBe(0), 10_000);
    socket.destroy();
  });

  it('does not stop the server if it is CONNECT and the client resets the connection', async () => {
    const port = Number(new URL(app.url).port);
    for (let attempt = 0; attempt < 50; attempt++) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      // The first response proves that the server has registered the connection.
      socket.write('GET /api/health/live HTTP/1.1\r\nHost: a\r\n\r\n');
      await once(socket, 'data');
      socket.write('CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', () => socket.resetAndDestroy());
      await once(socket, 'close');
    }
    await withKey(app.url).get('/api/health/live').expect(200);
  });

  it('does not stop the server if the client resets the connection early', async () => {
    const port = Number(new URL(app.url).port);
    for (let attempt = 0; attempt < 50; attempt++) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      socket.write('GET /api/internal/users/1 HTTP/1.1\r\nHost: a\r\n\r\n', () =>
        socket.resetAndDestroy(),
      );
      await once(socket, 'close');
    }
    await withKey(app.url).get('/api/health/live').expect(200);
  });

  it('is not processed if its body is completed after the 408', async () => {
    const port = Number(new URL(app.url).port);
    const body = JSON.stringify({ id: 'too-late', email: 'late@example.com', name: 'Late' });
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined);
    socket.write(
      `POST /api/internal/users HTTP/1.1\r\nHost: a\r\nX-API-Key: ${API_KEY}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, -1)}`,
    );
    const [response] = await once(socket.setEncoding('latin1'), 'data');
    expect(response).toContain('REQUEST_TIMEOUT');
    socket.write(body.slice(-1));
    await vi.waitFor(async () => expect(await countConnections()).toBe(0), 10_000);
    socket.destroy();
    await withKey(app.url).get('/api/internal/users/too-late').expect(404);
  });

  it('gets 408 if its body does not arrive', async () => {
    const head = `POST /api/internal/users HTTP/1.1\r\nHost: a\r\nX-API-Key: ${API_KEY}\r\n`;
    const response = await sendRaw(
      `${head}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{`,
    );
    expect(response.status).toBe(408);
  });
});
