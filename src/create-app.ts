import { limitConnections } from '@latchkey/connections/connections';
import { ProtocolErrorHandler } from '@latchkey/connections/protocol-error-handler';
import { StandardSchemaValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Draining } from '@latchkey/shutdown/draining';
import { traceRequests } from '@latchkey/tracing/trace-requests';
import { AppModule } from './app.module.js';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Environment } from './config/environment.js';
import { createFastifyAdapter } from './http/fastify.js';
import { invalidRequest } from './http/invalid-request.js';
import { LoadShedding } from './http/load-shedding.js';
import { sendProblem } from './http/problem.js';
import { ProblemFilter } from './http/problem.filter.js';
import { reportProblems } from './http/protocol-problems.js';
import { RequestLog } from './http/request-log.js';
import { RouteTable } from './http/route-table.js';
import { writeAnswersAtOnce } from './http/single-write.js';
import { createLogger, logStream } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { serveDocs } from './openapi/serve-docs.js';
import { FinishedRequests } from './requests/finished-requests.js';

const KEEP_ALIVE_MARGIN_MS = 700;

/** The whole application, ready to listen: the same for the process and the tests. */
export async function createApp(environment: Environment): Promise<NestFastifyApplication> {
  const logger = createLogger(environment.LOG_LEVEL);
  const requests = new FinishedRequests();
  const requestLog = new RequestLog(logger, logStream());
  requests.observe((kind, finished) => requestLog.write(kind, finished));
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forEnvironment(environment, requests),
    createFastifyAdapter(logger, environment.TRUSTED_PROXIES, requests),
    // Nest's body parser would take forms too; and main.ts says what went wrong, in place of an abort.
    { logger: new NestLogger(logger), bodyParser: false, abortOnError: false },
  );
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined) {
    traceRequests(app.getHttpAdapter().getInstance());
  }
  configureApp(app, environment);
  return app;
}

/** What holds for every route: the prefix, validation, the format of errors, and the documentation. */
export function configureApp(app: NestFastifyApplication, environment: Environment): void {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  app.get(Draining).watch(fastify);
  // Node announces whole seconds, so that the client gives the connection up before it is closed under a request.
  fastify.server.keepAliveTimeout = environment.KEEP_ALIVE_SECONDS * 1000 + KEEP_ALIVE_MARGIN_MS;
  app.get(LoadShedding).protect(fastify.server);
  writeAnswersAtOnce(fastify.server);
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

/** Nest refuses these too, but reads the body before. */
function hasEmptyParameter({ params }: FastifyRequest): boolean {
  const values: Readonly<Record<string, unknown>> = Object(params);
  for (const name in values) if (values[name] === '' && name !== '*') return true;
  return false;
}
