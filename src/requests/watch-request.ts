import { queueTimeOf } from '@latchkey/http-front/queue-time';
import { onResponseEnd } from '@latchkey/http-front/response-end';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type KeyVerdict, keyIdOf } from '../api-keys/key-verifier.js';
import type { AttemptOutcome, LimitName, RequestKind } from './finished-request.js';
import type { FinishedRequests } from './finished-requests.js';
import { clientNameOf } from './client-name.js';

// nginx's status for a client that left before it was answered.
const CLIENT_CLOSED_REQUEST = 499;

/** Announces the request when it is over, answered or not. */
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

function kindOf(request: FastifyRequest, reply: FastifyReply): RequestKind {
  // Undefined where the router has refused the URL: Fastify decorates no such request.
  const verdict = request.keyVerdict ?? null;
  const limit = request.exceededLimit ?? null;
  const status = reply.raw.writableFinished ? reply.raw.statusCode : CLIENT_CLOSED_REQUEST;
  return {
    method: request.method,
    route: request.routeOptions.url ?? null,
    status,
    source: request.ip,
    client: clientNameOf(request),
    keyId: verdict && keyIdOf(verdict),
    outcome: verdict && outcomeOf(verdict.outcome, limit, reply.statusCode),
    limit,
  };
}

function outcomeOf(
  verdict: KeyVerdict['outcome'],
  limit: LimitName | null,
  status: number,
): AttemptOutcome {
  if (verdict !== 'admitted') return verdict;
  if (limit === 'key-rate' || limit === 'key-concurrency') return 'rate-limited';
  if (limit === 'key-enumeration') return 'enumeration-limited';
  return status === 403 ? 'forbidden' : 'admitted';
}
