import type { IncomingMessage } from 'node:http';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { jsonRpcError } from '../http/json-rpc-error.js';

export const MAX_REQUEST_BYTES = 256 * 1024;
const TOO_LARGE = Symbol('too large');
const utf8 = new TextDecoder();

/**
 * Lets the MCP SDK handle a request. The SDK's own `toNodeHandler` passes each body through five
 * streams. This function parses the body once and streams only event streams.
 */
export async function exchange(
  handler: Pick<McpHttpHandler, 'fetch'>,
  { raw: incoming }: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const hangUp = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) hangUp.abort();
  });
  const body = incoming.method === 'POST' ? await readBody(incoming) : '';
  // The client has disconnected, perhaps in the middle of its request.
  if (body === undefined || reply.raw.destroyed) return;
  if (body === TOO_LARGE) {
    const error = jsonRpcError(`The request body must not exceed ${MAX_REQUEST_BYTES} bytes`);
    // The rest of the body is not read, so the connection cannot be reused.
    await reply.code(413).header('connection', 'close').send(error);
    return;
  }
  const parsedBody = parseJson(body);
  const request = createRequest(incoming, parsedBody === undefined ? body : '', hangUp.signal);
  const response = await handler.fetch(request, { authInfo: incoming.auth, parsedBody });
  const isStream = response.headers.get('content-type') === 'text/event-stream';
  // `undefined` replaces an empty string, to which Fastify would add a content type.
  const content = isStream ? response.body : (await response.text()) || undefined;
  await reply.code(response.status).headers(Object.fromEntries(response.headers)).send(content);
}

/** Resolves to the body as text; undefined if the request is incomplete. */
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

/** @param body the received text if it is not JSON, so that the SDK rejects it; otherwise empty */
function createRequest(
  { method, url = '/', headers: received }: IncomingMessage,
  body: string,
  signal: AbortSignal,
): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    if (value !== undefined) headers.set(name, String(value));
  }
  // `localhost` is a placeholder: the SDK reads no host from the URL. `HostGuard` has checked Host.
  return new Request(`http://localhost${url}`, {
    method,
    headers,
    signal,
    body: body || undefined,
  });
}
