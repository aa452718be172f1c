import { queueTimeOf } from '@latchkey/http-front/queue-time';
import { onResponseEnd } from '@latchkey/http-front/response-end';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { KeyRefusal, RequestLabels } from './request-event.js';
import type { RequestEvents } from './request-events.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Id of the presented key, if it is or was valid. Set when the key is checked. */
    keyId: string | null;
    /** The result of the key check; null if no key is checked. */
    keyOutcome: 'admitted' | 'unverifiable' | KeyRefusal | null;
  }
}

// nginx's status for a client that disconnected before the response ended.
const CLIENT_CLOSED_REQUEST = 499;
const MAX_CLIENT_LENGTH = 64;

/** Emits the event of a request when its response has ended or its client has disconnected. */
export function recordRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  events: RequestEvents,
): void {
  // Fastify does not call `onResponse` hooks if the client disconnects.
  onResponseEnd(reply.raw, () =>
    events.emit({
      labels: labelsOf(request, reply),
      requestId: request.id,
      // Rounded to 1 µs.
      durationMs: Math.round((queueTimeOf(request.raw) + reply.elapsedTime) * 1000) / 1000,
    }),
  );
}

function labelsOf(request: FastifyRequest, { raw }: FastifyReply): RequestLabels {
  // If the router refuses the URL, Fastify does not decorate the request. `keyOutcome` is then
  // undefined.
  const outcome = request.keyOutcome ?? null;
  const refusal = request.refusal ?? undefined;
  return {
    method: request.method,
    route: request.routeOptions.url ?? null,
    status: raw.writableFinished ? raw.statusCode : CLIENT_CLOSED_REQUEST,
    source: request.ip,
    client: clientNameOf(request),
    keyId: request.keyId ?? null,
    outcome: outcome === 'admitted' ? (refusal?.outcome ?? outcome) : outcome,
    limit: refusal?.limit ?? null,
  };
}

/** The first product of the `User-Agent`, such as `latchkey-mcp/0.1.0`. */
function clientNameOf({ headers }: FastifyRequest): string | null {
  const userAgent = headers['user-agent'] ?? '';
  const end = userAgent.indexOf(' ');
  const product = (end === -1 ? userAgent : userAgent.slice(0, end)).slice(0, MAX_CLIENT_LENGTH);
  return product === '' ? null : product.replaceAll(/[^\x21-\x7e]/g, '?');
}
