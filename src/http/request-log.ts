import type { FastifyReply, FastifyRequest } from 'fastify';

// nginx's status for a client that left before it was answered.
const CLIENT_CLOSED_REQUEST = 499;

/** Logs one line when the request is over, answered or not, with the route's pattern: a path may name a user. */
export function logWhenOver(request: FastifyRequest, reply: FastifyReply): void {
  // Fastify's own onResponse is not called for a client that leaves.
  reply.raw.once('close', () => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? null,
        status: reply.raw.writableFinished ? reply.raw.statusCode : CLIENT_CLOSED_REQUEST,
        durationMs: Math.round(reply.elapsedTime * 1000) / 1000,
        keyId: request.principal?.keyId ?? null,
      },
      'request',
    );
  });
}
