import { type IncomingMessage, STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { type ProblemCode, ProblemException, renderProblem } from './problem.js';
import { REQUEST_ID_HEADER, requestIdOf } from '@latchkey/logging/request-id';

const PARSER_PROBLEMS: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
};

/** Answers what Node refuses before Fastify sees it, in the format of every other error, and logs it likewise. */
export class UnparsedRequests {
  constructor(private readonly logger: Logger) {}

  /** For the server's `clientError`: there is no request, only a socket. */
  readonly answerParserError = (error: Error & { code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const { status, headers, body } = this.render(
      PARSER_PROBLEMS[error.code ?? ''] ?? 'MALFORMED_HTTP',
      requestIdOf({ headers: {} }),
    );
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
  };

  /** For the server's `checkExpectation`: an `Expect` header other than `100-continue`. */
  readonly answerExpectation = (request: IncomingMessage, response: ServerResponse): void => {
    const { status, headers, body } = this.render('EXPECTATION_FAILED', requestIdOf(request));
    response.writeHead(status, headers).end(body);
  };

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
