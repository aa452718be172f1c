import { REQUEST_ID_HEADER, requestIdOf } from '@latchkey/logging/request-id';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { LogController } from 'fastify';
import type { Logger } from 'pino';

const HEADERS_LIMIT_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 3000;
const REQUEST_TIMEOUT_MS = 5000;
// Announced as 4 s, so that the client gives the connection up before it is closed under a request. Node may add a second.
const KEEP_ALIVE_TIMEOUT_MS = 4900;
const TIMEOUT_CHECK_INTERVAL_MS = 500;

/** The HTTP server below Nest: limits, request ids, and one log line a request. Bodies are left to the MCP SDK. */
export function createFastifyAdapter(
  logger: Logger,
  trustedProxies: readonly string[],
): FastifyAdapter {
  const adapter = new FastifyAdapter({
    loggerInstance: logger,
    genReqId: requestIdOf,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'requestId',
    }),
    // Forwarding headers count only from these, from right to left: anybody else can write what they like.
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // Drained clients that still come are served.
    return503OnClosing: false,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      maxHeaderSize: HEADERS_LIMIT_BYTES,
      // Node would answer without a body; `ProtocolErrorHandler` does it instead.
      requireHostHeader: false,
    },
  });
  const fastify = adapter.getInstance();
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _body, done) => done(null));
  fastify.addHook('onRequest', (request, reply, done) => {
    // Before an earlier request of its connection was answered (pipelining), which no client of MCP does: who never reads the answers
    // would fill the memory, and nobody would learn that he has left.
    if (reply.raw.socket === null) {
      request.raw.socket.destroy();
      return;
    }
    void reply.headers({
      [REQUEST_ID_HEADER]: request.id,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? null,
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime),
      },
      'request',
    );
    done();
  });
  return adapter;
}
