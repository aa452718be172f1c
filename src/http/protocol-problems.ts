import type { RenderOverload } from '@latchkey/http-front/overload-responder';
import type { ReportProtocolError } from '@latchkey/http-front/protocol-error-handler';
import type { FastifyBaseLogger } from 'fastify';
import { ProblemException, renderProblem } from '../problems/problem.js';
import type { RequestEvents } from '../requests/request-events.js';

/** Returns a function that renders protocol errors as problems and emits their request events. */
export function reportProblems(
  logger: Pick<FastifyBaseLogger, 'info'>,
  events: RequestEvents,
): ReportProtocolError {
  return (error, requestId, request) => {
    const response = renderProblem(new ProblemException(error), requestId);
    const { status } = response;
    if (request === undefined) {
      logger.info({ requestId, method: null, route: null, status, keyId: null }, 'request');
    } else {
      const labels = {
        method: request.method ?? '',
        route: null,
        status,
        source: request.socket.remoteAddress ?? '',
        client: null,
        keyId: null,
        outcome: null,
        limit: null,
      };
      events.emit({ labels, requestId, durationMs: 0 });
    }
    return response;
  };
}

/** Renders the response to a request that the load shedder refuses. */
export const renderOverload: RenderOverload = (requestId) =>
  renderProblem(new ProblemException('OVERLOADED'), requestId);
