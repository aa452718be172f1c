import { type IncomingMessage, STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { requestIdOf } from '@latchkey/logging/request-id';
import { complete, type ErrorResponse } from './error-response.js';
import { hasUnexpectedContent, isMalformed } from './malformed-request.js';

const MAX_HEADER_FIELDS = 100;
const MAX_IGNORED_REQUESTS = 16;
const CLOSE_TIMEOUT_MS = 1000;

export type ProtocolError =
  | 'BODY_NOT_ALLOWED'
  | 'EXPECTATION_FAILED'
  | 'HEADERS_TOO_LARGE'
  | 'MALFORMED_HTTP'
  | 'REQUEST_TIMEOUT';

const PARSER_ERRORS: Readonly<Record<string, ProtocolError>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
};

/** Logs a protocol error and renders the response. `request` is missing if Node cannot parse it. */
export type ReportProtocolError = (
  error: ProtocolError,
  requestId: string,
  request?: IncomingMessage,
) => ErrorResponse;

/**
 * Refuses malformed requests and requests with more than 100 header fields. Also renders the
 * responses to requests that Node itself refuses. Closes the connection after a refused request.
 */
export class ProtocolErrorHandler {
  /** Connections with a refused request, and how many requests have arrived after it. */
  private readonly tainted = new WeakMap<Duplex, number>();

  constructor(private readonly report: ReportProtocolError) {}

  /** Refuses a request that violates the protocol. Returns whether the request was refused. */
  refuses(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.ignores(request.socket)) return true;
    const error = findError(request);
    if (error === undefined) return false;
    this.refuse(error, request, response);
    return true;
  }

  refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
    // Closes the connection, because clients differ in whether they send the body after a refusal.
    if (!this.refuses(request, response)) this.refuse('EXPECTATION_FAILED', request, response);
  }

  /** Refuses CONNECT, because this server is not a proxy. */
  refuseTunnel(request: IncomingMessage, socket: Duplex): void {
    // Node no longer handles this socket: without a listener an error would end the process, and
    // without a time limit a client could keep the socket open for ever.
    socket.on('error', () => socket.destroy());
    socket.once('finish', () => socket.destroy());
    setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS).unref();
    if (this.tainted.has(socket)) return;
    this.end(socket, findError(request) ?? 'MALFORMED_HTTP', request);
  }

  /** Responds to bytes that Node cannot parse, or that arrive too slowly. */
  refuseUnparsed({ code = '' }: NodeJS.ErrnoException, socket: Duplex): void {
    if (code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    // The response to an earlier refused request will close this connection.
    if (this.tainted.has(socket)) return;
    const error = PARSER_ERRORS[code] ?? 'MALFORMED_HTTP';
    // Otherwise, Node would read the rest of the request and handle it in spite of the 408.
    if (error === 'REQUEST_TIMEOUT') socket.once('finish', () => socket.destroy());
    this.end(socket, error);
  }

  private ignores(socket: Duplex): boolean {
    const count = this.tainted.get(socket);
    if (count === undefined) return false;
    // The refusal may be queued behind an earlier response while the client sends more requests.
    if (count === MAX_IGNORED_REQUESTS) socket.destroy();
    else this.tainted.set(socket, count + 1);
    return true;
  }

  private refuse(error: ProtocolError, request: IncomingMessage, response: ServerResponse): void {
    this.tainted.set(request.socket, 0);
    const { status, headers, body } = this.render(error, request);
    response.writeHead(status, headers).end(body);
  }

  private end(socket: Duplex, error: ProtocolError, request?: IncomingMessage): void {
    const { status, headers, body } = this.render(error, request);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
  }

  private render(error: ProtocolError, request?: IncomingMessage): ErrorResponse {
    const requestId = requestIdOf(request ?? { headers: {} });
    const response = complete(this.report(error, requestId, request), requestId);
    return { ...response, headers: { ...response.headers, connection: 'close' } };
  }
}

function findError(request: IncomingMessage): ProtocolError | undefined {
  // Names and values alternate.
  if (request.rawHeaders.length > 2 * MAX_HEADER_FIELDS) return 'HEADERS_TOO_LARGE';
  if (isMalformed(request)) return 'MALFORMED_HTTP';
  return hasUnexpectedContent(request) ? 'BODY_NOT_ALLOWED' : undefined;
}
