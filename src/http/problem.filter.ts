import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isDatabaseUnavailable } from '../prisma/database-error.js';
import type { RouteTable } from './route-table.js';
import { PROBLEM_TYPES, type ProblemCode, ProblemException, renderProblem } from './problem.js';

/** Answers every exception with a problem (RFC 9457). What was not expected is logged, and its text stays inside. */
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
    if (isDatabaseUnavailable(exception)) {
      request.log.warn({ err: exception }, 'database unavailable');
      return new ProblemException('DATABASE_UNAVAILABLE');
    }
    if (exception instanceof HttpException) return this.fromStatus(exception.getStatus(), request);
    request.log.error({ err: exception }, 'unexpected error');
    return new ProblemException('INTERNAL_ERROR');
  }

  // Fastify's and Nest's own refusals, which say no more than their status.
  private fromStatus(status: number, request: FastifyRequest): ProblemException {
    if (status === PROBLEM_TYPES.ROUTE_NOT_FOUND.status) return this.routes.explainMiss(request);
    return new ProblemException(FRAMEWORK_PROBLEMS[status] ?? 'INTERNAL_ERROR');
  }
}

const FRAMEWORK_PROBLEMS: Readonly<Record<number, ProblemCode>> = {
  400: 'MALFORMED_JSON',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
};

/** Sends a problem as the answer of a request. */
export function sendProblem(reply: FastifyReply, problem: ProblemException): void {
  const { status, headers, body } = renderProblem(problem, reply.request.id);
  void reply.code(status).headers(headers).send(body);
}
