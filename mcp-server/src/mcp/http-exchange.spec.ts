import { type Socket, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MAX_REQUEST_BYTES, exchange } from './http-exchange.js';

type Fetch = McpHttpHandler['fetch'];

const fetchMock = vi.fn<Fetch>();
let server: FastifyInstance;
let port: number;

beforeEach(async () => {
  fetchMock.mockReset().mockImplementation(async () => Response.json({ answer: 'é' }));
  server = fastify({ forceCloseConnections: true });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', (_request, _body, done) => done(null));
  server.all('/mcp', (request, reply) => exchange({ fetch: fetchMock }, request, reply));
  port = Number(new URL(await server.listen({ port: 0, host: '127.0.0.1' })).port);
});
afterEach(() => server.close());

const post = (body: string) => fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST', body });

function send(head: string): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`POST /mcp HTTP/1.1\r\nHost: x\r\n${head}`);
  return socket;
}

describe('exchange', () => {
  it('passes the parsed body to the SDK, and sends a response with Content-Length', async () => {
    const response = await post('{"id":1}');
    expect(await response.json()).toEqual({ answer: 'é' });
    expect(response.headers.get('content-length')).toBe('15');
    expect(fetchMock.mock.calls[0]?.[1]).toEqual({ parsedBody: { id: 1 } });
  });

  it.each(['{"id":', ''])('passes the invalid JSON %j to the SDK as text', async (body) => {
    let received: string | undefined;
    fetchMock.mockImplementation(async (request) => {
      received = await request.text();
      return new Response(null, { status: 400 });
    });
    expect((await post(body)).status).toBe(400);
    expect(received).toBe(body);
    expect(fetchMock.mock.calls[0]?.[1]).toEqual({});
  });

  it.each([
    ['with Content-Length', `Content-Length: ${MAX_REQUEST_BYTES + 1}\r\n\r\n`],
    ['in chunks', `Transfer-Encoding: chunked\r\n\r\n40001\r\n${'x'.repeat(0x40001)}\r\n`],
  ])('rejects a body of more than 256 KiB %s, and closes the connection', async (_case, head) => {
    const response = await text(send(head));
    expect(response).toMatch(/^HTTP\/1\.1 413 /);
    expect(response).toMatch(/^connection: close/im);
    expect(response).toContain(
      '{"jsonrpc":"2.0","error":{"code":-32000,"message":"The request body',
    );
    expect(fetchMock).not.toHaveBeenCalled();
  });

  it('never passes an incomplete body to the SDK, even if it is valid JSON', async () => {
    const socket = send('Transfer-Encoding: chunked\r\n\r\n8\r\n{"id":1}\r\n');
    await vi.waitFor(() => expect(socket.bytesWritten).toBeGreaterThan(50));
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    await post('{"id":2}');
    expect(fetchMock.mock.calls.map((call) => call[1])).toEqual([{ parsedBody: { id: 2 } }]);
  });

  it('aborts the SDK request when the client disconnects', async () => {
    const aborted = new Promise<void>((resolve) => {
      fetchMock.mockImplementation(async (request) => {
        request.signal.addEventListener('abort', () => resolve());
        socket.destroy();
        return new Promise(() => undefined);
      });
    });
    const socket = send('Content-Length: 2\r\n\r\n{}');
    await aborted;
  });

  it('streams an event stream, and cancels it when the connection closes', async () => {
    let cancelled = () => {};
    const cancellation = new Promise<void>((resolve) => (cancelled = resolve));
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
      cancel: () => cancelled(),
    });
    const headers = { 'content-type': 'text/event-stream' };
    fetchMock.mockImplementation(async () => new Response(stream, { headers }));
    const response = await post('{}');
    const first = await response.body?.getReader().read();
    expect(new TextDecoder().decode(first?.value)).toBe('data: 1\n\n');
    server.server.closeAllConnections();
    await cancellation;
  });
});
