import { limitConnections } from '@latchkey/http-front/connections';
import { ProtocolErrorHandler } from '@latchkey/http-front/protocol-error-handler';
import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { Draining } from '@latchkey/http-front/draining';
import { traceRequests } from '@latchkey/tracing/trace-requests';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { AppModule } from './app.module.js';
import type { Environment } from './config/environment.js';
import { createFastifyAdapter } from './http/fastify.js';
import { reportProtocolErrors } from './http/protocol-errors.js';

/** The whole application, ready to listen: the same for the process and the tests. */
export async function createApp(environment: Environment): Promise<NestFastifyApplication> {
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined) {
    const { startTracing } = await import('@latchkey/tracing/sdk');
    startTracing('latchkey-mcp-server');
  }
  const logger = createLogger(environment.LOG_LEVEL);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule,
    createFastifyAdapter(logger, environment.TRUSTED_PROXIES),
    // main.ts says what went wrong, in place of an abort.
    { logger: new NestLogger(logger), bodyParser: false, abortOnError: false },
  );
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined) {
    traceRequests(app.getHttpAdapter().getInstance());
  }
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  app.get(Draining).watch(fastify);
  limitConnections(fastify.server);
  // Last, so that it sees each request first.
  new ProtocolErrorHandler(reportProtocolErrors(logger)).protect(fastify.server);
  return app;
}
