import { FastifyAdapter } from '@nestjs/platform-fastify';
import { LogController, type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { answerClientError } from './client-error.js';
import { type ProblemCode, ProblemException } from './problem.js';
import { sendProblem } from './problem.filter.js';
import { REQUEST_ID_HEADER, requestIdOf } from './request-id.js';
import { logRequests } from './request-log.js';

const BODY_LIMIT_BYTES = 64 * 1024;
const HEADERS_LIMIT_BYTES = 8 * 1024;
const URL_LIMIT_CHARACTERS = 2048;
const HEADERS_TIMEOUT_MS = 3000;
const REQUEST_TIMEOUT_MS = 5000;
const TIMEOUT_CHECK_INTERVAL_MS = 500;

const ROUTER_PROBLEMS: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_BAD_URL: 'MALFORMED_URL',
};

/** The HTTP server below Nest: limits, request ids, one log line a request, and problems where no route is reached. */
export function createFastifyAdapter(logger: Logger): FastifyAdapter {
  const adapter = new FastifyAdapter({
    loggerInstance: logger,
    genReqId: requestIdOf,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'requestId',
    }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Beyond the URL limit, so that the key is asked for before anything is said of an id.
    routerOptions: { maxParamLength: HEADERS_LIMIT_BYTES },
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      maxHeaderSize: HEADERS_LIMIT_BYTES,
    },
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
      void reply.header(REQUEST_ID_HEADER, reply.request.id);
      sendProblem(reply, new ProblemException(ROUTER_PROBLEMS[error.code] ?? 'INVALID_REQUEST'));
    },
    clientErrorHandler: answerClientError,
  });
  const fastify = adapter.getInstance();
  // Only JSON is spoken here; Fastify would take text/plain too.
  fastify.removeContentTypeParser('text/plain');
  fastify.decorateRequest('principal', null);
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers({
      [REQUEST_ID_HEADER]: request.id,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    if (request.url.length > URL_LIMIT_CHARACTERS) {
      sendProblem(reply, new ProblemException('URL_TOO_LONG'));
    } else {
      done();
    }
  });
  logRequests(fastify);
  return adapter;
}
