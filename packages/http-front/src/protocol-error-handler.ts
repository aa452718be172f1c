import { type IncomingMessage, STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { isMalformed } from './malformed-request.js';

const MAX_HEADER_FIELDS = 100;
const MAX_IGNORED_REQUESTS = 16;
const CLOSE_TIMEOUT_MS = 1000;

export type ProtocolError =
  'EXPECTATION_FAILED' | 'HEADERS_TOO_LARGE' | 'MALFORMED_HTTP' | 'REQUEST_TIMEOUT';

const PARSER_ERRORS: Readonly<Record<string, ProtocolError>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
};

export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Logs a protocol error and renders its response.
 * @param request undefined if Node could not parse one
 */
export type ReportProtocolError = (
  error: ProtocolError,
  request?: IncomingMessage,
) => ErrorResponse;

/**
 * Refuses malformed requests and those with more than 100 header fields before anything else is decided about them, and
 * answers in place of Node where Node refuses one. A refused request is the last of its connection.
 */
export class ProtocolErrorHandler {
  /** Connections with a refused request, by the number of requests after it, which may be parts of it. */
  private readonly tainted = new WeakMap<Duplex, number>();

  constructor(private readonly report: ReportProtocolError) {}

  /** Call it last before the server listens: it stands before all listeners that the server's requests have so far. */
  protect(server: Server): void {
    // By default Node drops the fields after the 1,000th: a proxy and this server would read different requests.
    server.maxHeadersCount = 0;
    const handlers = server.listeners('request');
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      for (const handler of handlers) handler.call(server, request, response);
    };
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      if (!this.refuses(request, response)) handle(request, response);
    });
    // Without a listener Node would send 100 Continue before anything has been checked.
    server.on('checkContinue', (request, response) => {
      if (this.refuses(request, response)) return;
      response.writeContinue();
      handle(request, response);
    });
    server.on('checkExpectation', (request, response) => {
      // A client that waited for 100 has no content to send now, and any other has.
      if (!this.refuses(request, response)) this.refuse('EXPECTATION_FAILED', request, response);
    });
    server.on('connect', (request, socket) => this.refuseTunnel(request, socket));
    // In place of Fastify's.
    server.removeAllListeners('clientError');
    server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
      this.answerParserError(error, socket),
    );
  }

  private refuses(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.ignores(request.socket)) return true;
    const error = findError(request);
    if (error === undefined) return false;
    this.refuse(error, request, response);
    return true;
  }

  private ignores(socket: Duplex): boolean {
    const count = this.tainted.get(socket);
    if (count === undefined) return false;
    // The refusal may have to wait for an earlier response: the client must not fill the memory meanwhile.
    if (count === MAX_IGNORED_REQUESTS) socket.destroy();
    else this.tainted.set(socket, count + 1);
    return true;
  }

  private refuse(error: ProtocolError, request: IncomingMessage, response: ServerResponse): void {
    this.tainted.set(request.socket, 0);
    const { status, headers, body } = this.respond(error, request);
    response.writeHead(status, headers).end(body);
  }

  /** This is no proxy. Node would close the connection without an answer. */
  private refuseTunnel(request: IncomingMessage, socket: Duplex): void {
    // Node has given the connection up, with its listeners: a client that resets it would end the process, and one that
    // never ends it or takes no answer would hold it for ever.
    socket.on('error', () => socket.destroy());
    socket.once('finish', () => socket.destroy());
    setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS).unref();
    if (this.tainted.has(socket)) return;
    this.end(socket, findError(request) ?? 'MALFORMED_HTTP', request);
  }

  private answerParserError({ code = '' }: NodeJS.ErrnoException, socket: Duplex): void {
    if (code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    // It has its answer, which closes the connection.
    if (this.tainted.has(socket)) return;
    const error = PARSER_ERRORS[code] ?? 'MALFORMED_HTTP';
    // Or the rest would still be read, as slowly as it comes, and a request carried out after it was answered with 408.
    if (error === 'REQUEST_TIMEOUT') socket.once('finish', () => socket.destroy());
    this.end(socket, error);
  }

  private end(socket: Duplex, error: ProtocolError, request?: IncomingMessage): void {
    const { status, headers, body } = this.respond(error, request);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
  }

  private respond(error: ProtocolError, request?: IncomingMessage): ErrorResponse {
    const { status, headers, body } = this.report(error, request);
    return {
      status,
      headers: {
        ...headers,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'content-length': String(Buffer.byteLength(body)),
        connection: 'close',
      },
      body,
    };
  }
}

function findError(request: IncomingMessage): ProtocolError | undefined {
  // The names and the values.
  if (request.rawHeaders.length > 2 * MAX_HEADER_FIELDS) return 'HEADERS_TOO_LARGE';
  return isMalformed(request) ? 'MALFORMED_HTTP' : undefined;
}
