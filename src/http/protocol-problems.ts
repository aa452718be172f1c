import type { ReportProtocolError } from '@latchkey/http-front/protocol-error-handler';
import { REQUEST_ID_HEADER, requestIdOf } from '@latchkey/logging/request-id';
import type { FastifyBaseLogger } from 'fastify';
import type { FinishedRequests } from '../requests/finished-requests.js';
import { ProblemException, renderProblem } from '../problems/problem.js';

const NO_REQUEST = { headers: {} };

/** Renders protocol errors as every other problem of this API, and records them as finished requests. */
export function reportProblems(
  logger: Pick<FastifyBaseLogger, 'info'>,
  requests: FinishedRequests,
): ReportProtocolError {
  return (error, request) => {
    const requestId = requestIdOf(request ?? NO_REQUEST);
    const { status, headers, body } = renderProblem(new ProblemException(error), requestId);
    if (request === undefined) {
      logger.info({ requestId, method: null, route: null, status, keyId: null }, 'request');
    } else {
      const kind = {
        method: request.method ?? '',
        route: null,
        status,
        source: request.socket.remoteAddress ?? '',
        client: null,
        keyId: null,
        outcome: null,
        limit: null,
      };
      requests.announce(kind, requestId, 0);
    }
    return { status, headers: { ...headers, [REQUEST_ID_HEADER]: requestId }, body };
  };
}
