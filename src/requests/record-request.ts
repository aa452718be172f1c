import { queueTimeOf } from '@latchkey/http-front/queue-time';
import { onResponseEnd } from '@latchkey/http-front/response-end';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ProblemCode } from '../problems/problem.js';
import { clientNameOf } from './client-name.js';
import type { AttemptOutcome, KeyRefusal, LimitName, RequestKind } from './finished-request.js';
import type { FinishedRequests } from './finished-requests.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The key that the presented one is or was, if it is known. Set by `ApiKeyGuard`. */
    keyId: string | null;
    /** The result of the key check; null on routes without one. Set by `ApiKeyGuard`. */
    keyOutcome: 'admitted' | 'unverifiable' | KeyRefusal | null;
  }
}

// nginx's status for a client that left before it was answered.
const CLIENT_CLOSED_REQUEST = 499;

/** Why a request was refused although its key is good, and the limit that refused it. */
export const REFUSALS: Readonly<
  Partial<Record<ProblemCode, { outcome?: AttemptOutcome; limit?: LimitName }>>
> = {
  ACCESS_NOT_DECLARED: { outcome: 'forbidden' },
  INSUFFICIENT_SCOPE: { outcome: 'forbidden' },
  FIELD_NOT_ALLOWED: { outcome: 'forbidden' },
  GRANT_EXCEEDS_CALLER: { outcome: 'forbidden' },
  RATE_LIMITED: { outcome: 'rate-limited', limit: 'key-rate' },
  CONCURRENCY_LIMITED: { outcome: 'rate-limited', limit: 'key-concurrency' },
  ENUMERATION_LIMITED: { outcome: 'enumeration-limited', limit: 'key-enumeration' },
  TOO_MANY_FAILURES: { limit: 'source-failures' },
};

/** Announces the request when its response has ended or its client has left. */
export function watchRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  requests: FinishedRequests,
): void {
  // Fastify's own onResponse is not called for a client that leaves.
  onResponseEnd(reply.raw, () =>
    requests.announce(kindOf(request, reply), request.id, durationOf(request, reply)),
  );
}

/** In milliseconds, to the microsecond. */
function durationOf({ raw }: FastifyRequest, { elapsedTime }: FastifyReply): number {
  return Math.round((queueTimeOf(raw) + elapsedTime) * 1000) / 1000;
}

function kindOf(request: FastifyRequest, { raw }: FastifyReply): RequestKind {
  // Undefined where the router has refused the URL: Fastify does not decorate such a request.
  const outcome = request.keyOutcome ?? null;
  const refusal = request.problem ? REFUSALS[request.problem] : undefined;
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
