import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Logger } from 'pino';
import { ProblemException, sendProblem } from '../problems/problem.js';
import { REQUEST_ID_HEADER, requestIdOf } from '@latchkey/logging/request-id';
import type { FinishedRequests } from '../requests/finished-requests.js';
import { watchRequest } from '../requests/watch-request.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Receives every request of this server. Set by `configureApp`. */
    finishedRequests: FinishedRequests;
  }
}

const BODY_LIMIT_BYTES = 64 * 1024;
const HEADERS_LIMIT_BYTES = 16 * 1024;
// 100 ids of 64 characters fit.
const URL_LIMIT_CHARACTERS = 8 * 1024;
const HEADERS_TIMEOUT_MS = 3000;
const REQUEST_TIMEOUT_MS = 5000;
const TIMEOUT_CHECK_INTERVAL_MS = 250;
// For clients that do not take their answer. Later than the time-outs that have one.
const SILENCE_TIMEOUT_MS = 5700;

/** The HTTP server below Nest: limits, request ids, the end of every request, and problems where no route is reached. */
export function createFastifyAdapter(
  logger: Logger,
  trustedProxies: readonly string[],
): FastifyAdapter {
  const begin = (request: FastifyRequest, reply: FastifyReply): void => {
    watchRequest(request, reply, request.server.finishedRequests);
    beginAnswer(request, reply);
  };
  const adapter = new FastifyAdapter({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // A logger of its own for each request costs more than its line, which names the request anyway.
    childLoggerFactory: (parent: FastifyBaseLogger) => parent,
    genReqId: requestIdOf,
    // There is no Nest middleware here, whose hook every request would pass.
    skipMiddie: true,
    // Forwarding headers count only from these, from right to left: anybody else can write what they like.
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: SILENCE_TIMEOUT_MS,
    // Drained clients that still come are served.
    return503OnClosing: false,
    // Beyond the URL limit, so that the key is asked for before anything is said of an id.
    routerOptions: { maxParamLength: HEADERS_LIMIT_BYTES },
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      maxHeaderSize: HEADERS_LIMIT_BYTES,
      // Node would answer without a body; `ProtocolErrorHandler` does it instead.
      requireHostHeader: false,
    },
    frameworkErrors: (_error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      begin(request, reply);
      sendProblem(reply, new ProblemException('MALFORMED_URL'));
    },
  });
  const fastify: FastifyInstance = adapter.getInstance();
  fastify.decorateRequest('keyVerdict', null);
  fastify.decorateRequest('exceededLimit', null);
  fastify.decorateRequest('principal', null);
  fastify.decorateRequest('userId', null);
  acceptOnlyJson(fastify);
  fastify.addHook('onRequest', (request, reply, done) => {
    begin(request, reply);
    if (request.url.length > URL_LIMIT_CHARACTERS) {
      sendProblem(reply, new ProblemException('URL_TOO_LONG'));
    } else done();
  });
  return adapter;
}

function beginAnswer(request: FastifyRequest, reply: FastifyReply): void {
  void reply.headers({
    [REQUEST_ID_HEADER]: request.id,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
}

function acceptOnlyJson(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request, body, done) => {
      // Clients announce JSON with a DELETE too, and then send none.
      if (body === '') done(null, undefined);
      else void parse(request, body, done);
    },
  );
}
