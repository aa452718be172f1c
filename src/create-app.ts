import { HttpFront } from '@latchkey/http-front/http-front';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import type { FastifyInstance } from 'fastify';
import { type Environment, misspelledVariables } from './config/environment.js';
import { createFastifyAdapter } from './http/fastify.js';
import { WriteSlots } from './limits/write-slots.js';
import { renderOverload, reportProblems } from './http/protocol-problems.js';
import { RequestLog } from './http/request-log.js';
import { setUpRoutes } from './route-setup.js';
import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { RequestEvents } from './requests/request-events.js';

export const APP_OPTIONS = {
  // Nest's default parsers also accept forms. `createFastifyAdapter` adds a parser for JSON only.
  bodyParser: false,
  // Nest would abort the process after an error; instead, `main.ts` explains the error and exits.
  abortOnError: false,
} as const;

const HEALTH = /^\/api\/health(?:[/?]|$)/;
// The number of requests that a client may send on a connection before the first response.
const MAX_PIPELINED = 16;

export async function createApp(environment: Environment): Promise<NestFastifyApplication> {
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined) {
    const { startTracing } = await import('@latchkey/tracing/sdk');
    startTracing('latchkey-backend');
  }
  const logger = createLogger(environment.LOG_LEVEL);
  for (const warning of misspelledVariables(process.env)) logger.warn(warning);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule,
    createFastifyAdapter(logger, environment.TRUSTED_PROXIES),
    { ...APP_OPTIONS, logger: new NestLogger(logger) },
  );
  await configureApp(app, environment, logger);
  return app;
}

export async function configureApp(
  app: NestFastifyApplication,
  environment: Environment,
  logger: Logger,
): Promise<void> {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  const events = app.get(RequestEvents);
  const requestLog = new RequestLog(logger);
  events.observe((labels, completed) => requestLog.write(labels, completed));
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined) {
    const { traceRequests } = await import('@latchkey/tracing/trace-requests');
    traceRequests(fastify);
  }
  const writes = app.get(WriteSlots);
  app.get(HttpFront).protect(fastify, {
    keepAliveSeconds: environment.KEEP_ALIVE_SECONDS,
    maxPipelined: MAX_PIPELINED,
    reportProtocolError: reportProblems(fastify.log, events),
    loadShedding: { exempt: HEALTH, render: renderOverload, waiting: () => writes.waiting },
  });
  setUpRoutes(app);
  if (environment.API_DOCS === 'off') return;
  const { serveDocs } = await import('./openapi/openapi-document.js');
  serveDocs(app);
}
