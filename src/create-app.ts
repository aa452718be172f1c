import { limitConnections } from '@latchkey/http-front/connections';
import { ProtocolErrorHandler } from '@latchkey/http-front/protocol-error-handler';
import { StandardSchemaValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Draining } from '@latchkey/http-front/draining';
import { traceRequests } from '@latchkey/tracing/trace-requests';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Environment } from './config/environment.js';
import { createFastifyAdapter } from './http/fastify.js';
import { invalidRequest } from './problems/invalid-request.js';
import { LoadShedding } from './http/load-shedding.js';
import { sendProblem } from './problems/problem.js';
import { ProblemFilter } from './problems/problem.filter.js';
import { reportProblems } from './http/protocol-problems.js';
import { RequestLog } from './http/request-log.js';
import { RouteTable } from './problems/route-table.js';
import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { serveDocs } from './openapi/serve-docs.js';
import { FinishedRequests } from './requests/finished-requests.js';

export const APP_OPTIONS = {
  // Nest's own parser also accepts forms.
  bodyParser: false,
  // `main.ts` reports what went wrong and exits.
  abortOnError: false,
} as const;

const KEEP_ALIVE_MARGIN_MS = 700;

/** The whole application, ready to listen: the same for the process and the tests. */
export async function createApp(environment: Environment): Promise<NestFastifyApplication> {
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined) {
    const { startTracing } = await import('@latchkey/tracing/sdk');
    startTracing('latchkey-backend');
  }
  const logger = createLogger(environment.LOG_LEVEL);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule,
    createFastifyAdapter(logger, environment.TRUSTED_PROXIES),
    { ...APP_OPTIONS, logger: new NestLogger(logger) },
  );
  configureApp(app, environment, logger);
  return app;
}

/** Sets up everything that holds for all routes: recording, limits, the prefix, validation, errors, documentation. */
export function configureApp(
  app: NestFastifyApplication,
  environment: Environment,
  logger: Logger,
): void {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  recordRequests(app, fastify, logger);
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined) traceRequests(fastify);
  app.get(Draining).watch(fastify);
  // Node announces whole seconds, so that the client gives the connection up before it is closed under a request.
  fastify.server.keepAliveTimeout = environment.KEEP_ALIVE_SECONDS * 1000 + KEEP_ALIVE_MARGIN_MS;
  app.get(LoadShedding).protect(fastify.server);
  limitConnections(fastify.server);
  const report = reportProblems(fastify.log, app.get(FinishedRequests));
  // Last, so that it sees each request first.
  new ProtocolErrorHandler(report).protect(fastify.server);
  const routes = new RouteTable(fastify);
  // Before the body is read, so that what is wrong with it does not matter.
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.is404 || hasEmptyParameter(request))
      sendProblem(reply, routes.explainMiss(request));
    else done();
  });
  app.setGlobalPrefix('api');
  app.useGlobalPipes(new StandardSchemaValidationPipe({ exceptionFactory: invalidRequest }));
  app.useGlobalFilters(new ProblemFilter(routes));
  if (environment.API_DOCS === 'on') serveDocs(app);
}

function recordRequests(
  app: NestFastifyApplication,
  fastify: FastifyInstance,
  logger: Logger,
): void {
  const requests = app.get(FinishedRequests);
  const requestLog = new RequestLog(logger);
  requests.observe((kind, finished) => requestLog.write(kind, finished));
  fastify.decorate('finishedRequests', requests);
}

/** Nest refuses these too, but reads the body before. */
function hasEmptyParameter({ params }: FastifyRequest): boolean {
  const values: Readonly<Record<string, unknown>> = Object(params);
  for (const name in values) if (values[name] === '' && name !== '*') return true;
  return false;
}
