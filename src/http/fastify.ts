import { baseHeaders } from '@latchkey/http-front/error-response';
import { MAX_HEADER_BYTES, serverOptions } from '@latchkey/http-front/server-options';
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
import { recordRequest } from '../requests/record-request.js';
import type { RequestEvents } from '../requests/request-events.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Emits an event per request of this server. Set by `setUpRoutes`. */
    requestEvents: RequestEvents;
  }
}

const BODY_LIMIT_BYTES = 64 * 1024;
// Enough for a list of 100 ids of 64 characters.
const URL_LIMIT_CHARACTERS = 8 * 1024;
// Closes connections of clients that do not read the response. The time-outs with status 408 are
// shorter, because this one closes the connection without a response.
const SILENCE_TIMEOUT_MS = 5700;

/** Creates Nest's Fastify adapter, with size limits, request ids and request events. */
export function createFastifyAdapter(
  logger: Logger,
  trustedProxies: readonly string[],
): FastifyAdapter {
  const begin = (request: FastifyRequest, reply: FastifyReply): void => {
    recordRequest(request, reply, request.server.requestEvents);
    void reply.headers(baseHeaders(request.id));
  };
  const adapter = new FastifyAdapter({
    ...serverOptions(trustedProxies),
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // A child logger per request is expensive. The log lines contain the request id without it.
    childLoggerFactory: (parent: FastifyBaseLogger) => parent,
    // The hook for Nest middleware would run for every request, and no middleware is used.
    skipMiddie: true,
    bodyLimit: BODY_LIMIT_BYTES,
    connectionTimeout: SILENCE_TIMEOUT_MS,
    // Longer than any URL, so that the router does not refuse a long id before the key is checked.
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    frameworkErrors: (_error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      begin(request, reply);
      sendProblem(reply, new ProblemException('MALFORMED_URL'));
    },
  });
  const fastify: FastifyInstance = adapter.getInstance();
  for (const name of ['keyId', 'keyOutcome', 'refusal', 'principal', 'userId'] as const) {
    fastify.decorateRequest(name, null);
  }
  acceptOnlyJson(fastify);
  fastify.addHook('onRequest', (request, reply, done) => {
    begin(request, reply);
    if (request.url.length > URL_LIMIT_CHARACTERS) {
      sendProblem(reply, new ProblemException('URL_TOO_LONG'));
    } else if (isCompressed(request)) {
      sendProblem(reply, new ProblemException('UNSUPPORTED_MEDIA_TYPE'));
    } else done();
  });
  return adapter;
}

/** Whether the body is compressed. The parser would report such a body as `MALFORMED_JSON`. */
function isCompressed({ method, headers, is404 }: FastifyRequest): boolean {
  const coding = headers['content-encoding'] ?? 'identity';
  return coding !== 'identity' && !is404 && (method === 'POST' || method === 'PATCH');
}

function acceptOnlyJson(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request, body, done) => {
      // Some clients send a DELETE request with the content type of JSON, but without a body.
      if (body === '') done(null, undefined);
      else void parse(request, body, done);
    },
  );
}
