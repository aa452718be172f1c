import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ConnectionError } from '../prisma/connection-error.js';
import {
  isDatabaseUnavailable,
  isSchemaOutdated,
  withoutArguments,
} from '../prisma/database-error.js';
import { type ProblemCode, ProblemException, sendProblem } from './problem.js';
import type { RouteTable } from './route-table.js';

// The problems for exceptions of Fastify and Nest, by status of the exception.
const FRAMEWORK_PROBLEMS: Readonly<Record<number, ProblemCode>> = {
  400: 'MALFORMED_JSON',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
};

/**
 * Responds to exceptions with problems (RFC 9457). Logs unexpected exceptions, but does not reveal
 * their text.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly routes: RouteTable) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    sendProblem(http.getResponse<FastifyReply>(), this.toProblem(exception, request));
  }

  private toProblem(exception: unknown, request: FastifyRequest): ProblemException {
    if (exception instanceof ProblemException) return exception;
    // The client disconnected while sending. Its ECONNRESET must not count as a database failure.
    if (request.raw.destroyed && !request.raw.complete) {
      return new ProblemException('MALFORMED_HTTP');
    }
    if (isDatabaseUnavailable(exception)) {
      // `DatabaseUrls` logs a ConnectionError once, rather than for each request.
      if (!(exception instanceof ConnectionError)) {
        request.log.warn(describe(exception, request), 'database unavailable');
      }
      return new ProblemException('DATABASE_UNAVAILABLE');
    }
    if (isSchemaOutdated(exception)) return new ProblemException('SCHEMA_OUTDATED');
    const status = exception instanceof HttpException ? exception.getStatus() : 500;
    // The file server of `/api/docs` rejects some paths with 403.
    if (status === 404 || status === 403) return this.routes.toNotFoundOrMethodNotAllowed(request);
    const code = FRAMEWORK_PROBLEMS[status];
    if (code !== undefined) return new ProblemException(code);
    request.log.error(describe(exception, request), 'unexpected error');
    return new ProblemException('INTERNAL_ERROR');
  }
}

function describe(exception: unknown, { id: requestId }: FastifyRequest) {
  return { requestId, err: withoutArguments(exception) };
}
