import type { FastifyInstance } from 'fastify';

/** Logs one line for each answered request, with the route's pattern in place of the path, which names users. */
export function logRequests(fastify: FastifyInstance): void {
  fastify.addHook('onResponse', (request, reply, done) => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? null,
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime * 1000) / 1000,
        keyId: request.principal?.keyId ?? null,
      },
      'request',
    );
    done();
  });
}
