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
  // The MCP endpoint reads its bodies itself.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _body, done) => done(null));
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(baseHeaders(request.id));
    done();
  });
  fastify.addHook('onResponse', ({ log, method, routeOptions }, reply, done) => {
    const { url: route = null } = routeOptions;
    const { statusCode: status } = reply;
    const durationMs = Math.round(reply.elapsedTime);
    // Probes would dominate the log.
    const isProbe = route?.startsWith('/health') && status < 400;
    log[isProbe ? 'debug' : 'info']({ method, route, status, durationMs }, 'request');
    done();
  });
  return adapter;
}
