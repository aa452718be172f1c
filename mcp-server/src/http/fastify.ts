import { baseHeaders } from '@latchkey/http-front/error-response';
import { serverOptions } from '@latchkey/http-front/server-options';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { LogController } from 'fastify';
import type { Logger } from 'pino';

/** The HTTP server below Nest: request ids, and a log line per request. */
export function createFastifyAdapter(
  logger: Logger,
  trustedProxies: readonly string[],
): FastifyAdapter {
  const adapter = new FastifyAdapter({
    ...serverOptions(trustedProxies),
    loggerInstance: logger,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'requestId',
    }),
  });
  const fastify = adapter.getInstance();
  // The MCP SDK reads the bodies.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _body, done) => done(null));
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(baseHeaders(request.id));
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const { url = '' } = request.routeOptions;
    // Probes would dominate the log.
    const isProbe = url.startsWith('/health') && reply.statusCode < 400;
    request.log[isProbe ? 'debug' : 'info'](
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
