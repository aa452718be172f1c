import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { McpHttpHandler } from '@modelcontextprotocol/server';

export const MAX_REQUEST_BYTES = 256 * 1024;
const TOO_LARGE = Symbol('too large');
const utf8 = new TextDecoder();

/**
 * Lets the MCP SDK answer a request of Node. The SDK's `toNodeHandler` passes each body through
 * five streams; here the body is parsed once, and only event streams are streamed.
 */
export async function exchange(
  handler: Pick<McpHttpHandler, 'fetch'>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const hangUp = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) hangUp.abort();
  });
  const body = incoming.method === 'POST' ? await readBody(incoming) : '';
  // The client has left, perhaps in the middle of its request.
  if (body === undefined || outgoing.destroyed) return;
  const parsedBody = body === TOO_LARGE ? undefined : parseJson(body);
  const { auth: authInfo } = incoming;
  const request = createRequest(incoming, parsedBody === undefined ? body : '', hangUp.signal);
  const response = await handler.fetch(request, {
    ...(authInfo === undefined ? {} : { authInfo }),
    ...(parsedBody === undefined ? {} : { parsedBody }),
  });
  // The rest of the body is not read.
  if (body === TOO_LARGE) outgoing.shouldKeepAlive = false;
  await write(response, outgoing);
}

/** The body as text; undefined if the request is incomplete. */
function readBody(incoming: IncomingMessage): Promise<string | typeof TOO_LARGE | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > MAX_REQUEST_BYTES) refuse();
    };
    const refuse = () => {
      incoming.off('data', take).pause();
      resolve(TOO_LARGE);
    };
    if (Number(incoming.headers['content-length']) > MAX_REQUEST_BYTES) return refuse();
    incoming.on('data', take);
    incoming.once('end', () => resolve(utf8.decode(Buffer.concat(chunks))));
    incoming.once('close', () => resolve(undefined));
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param body what the SDK has to refuse, or an empty text */
function createRequest(
  { method = 'GET', url = '/', headers: received }: IncomingMessage,
  body: string | typeof TOO_LARGE,
  signal: AbortSignal,
): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    if (value !== undefined) headers.set(name, String(value));
  }
  // The SDK refuses a request by this header alone.
  if (body === TOO_LARGE) headers.set('content-length', String(MAX_REQUEST_BYTES + 1));
  // The guards have checked the Host header; the SDK reads no host from the URL.
  return new Request(`http://localhost${url}`, {
    method,
    headers,
    signal,
    ...(typeof body === 'string' && body !== '' ? { body } : {}),
  });
}

async function write(response: Response, outgoing: ServerResponse): Promise<void> {
  const { status, body } = response;
  const headers = Object.fromEntries(response.headers);
  if (body === null || headers['content-type'] !== 'text/event-stream') {
    const text = await response.text();
    outgoing.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) }).end(text);
    return;
  }
  outgoing.writeHead(status, headers);
  // It fails when the client leaves, which aborts the request too.
  await pipeline(Readable.fromWeb(body), outgoing).catch(() => undefined);
}
