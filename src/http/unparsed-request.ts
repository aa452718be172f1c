import { type IncomingMessage, STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { isMalformed } from './malformed-request.js';
import { type ProblemCode, ProblemException, renderProblem } from './problem.js';
import { REQUEST_ID_HEADER, requestIdOf } from '@latchkey/logging/request-id';

const PARSER_PROBLEMS: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
};

const FAREWELL_LIMIT_MS = 1000;

/** Answers what Node refuses before Fastify sees it, in the format of every other error, and logs it likewise. */
export class UnparsedRequests {
  /** Connections with a request that was refused for its form: what follows on them may be a part of it. */
  private readonly distrusted = new WeakSet<Socket>();

  constructor(private readonly logger: Logger) {}

  /** For the server's `clientError`: there is no request, only a socket. */
  readonly answerParserError = (error: Error & { code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    // It has its answer, which closes the connection.
    if (this.distrusted.has(socket)) return;
    const code = PARSER_PROBLEMS[error.code ?? ''] ?? 'MALFORMED_HTTP';
    // Or the rest would still be read, as slowly as it comes, and the request carried out that was told to be too late.
    if (code === 'REQUEST_TIMEOUT') socket.once('finish', () => socket.destroy());
    this.end(socket, code, requestIdOf({ headers: {} }));
  };

  /** Tells a request whose form leaves it open what it is, and all that follow it on its connection. */
  distrusts(request: IncomingMessage): boolean {
    const { socket } = request;
    if (this.distrusted.has(socket)) return true;
    if (!isMalformed(request)) return false;
    this.distrusted.add(socket);
    return true;
  }

  /** For the server's `connect`: this is no proxy. Node would close the connection without a word. */
  readonly answerConnect = (request: IncomingMessage, socket: Duplex): void => {
    // The server has given the connection up, with its listeners: a client that resets it would end the process, and one that never
    // ends it or takes no answer would hold it for ever.
    socket.on('error', () => socket.destroy());
    socket.once('finish', () => socket.destroy());
    setTimeout(() => socket.destroy(), FAREWELL_LIMIT_MS).unref();
    this.end(socket, 'MALFORMED_HTTP', requestIdOf(request));
  };

  /** For the server's `checkExpectation`: an `Expect` header other than `100-continue`. */
  readonly answerExpectation = (request: IncomingMessage, response: ServerResponse): void => {
    // A client that waited for 100 has no content to send now, and any other has.
    this.distrusted.add(request.socket);
    const { status, headers, body } = this.render('EXPECTATION_FAILED', requestIdOf(request));
    response.writeHead(status, headers).end(body);
  };

  private end(socket: Duplex, code: ProblemCode, requestId: string): void {
    const { status, headers, body } = this.render(code, requestId);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
  }

  private render(code: ProblemCode, requestId: string) {
    const { status, headers, body } = renderProblem(new ProblemException(code), requestId);
    this.logger.info({ requestId, method: null, route: null, status, keyId: null }, 'request');
    const length = String(Buffer.byteLength(body));
    return {
      status,
      headers: {
        ...headers,
        [REQUEST_ID_HEADER]: requestId,
        'content-length': length,
        connection: 'close',
      },
      body,
    };
  }
}
