import { HttpFront } from '@latchkey/http-front/http-front';
import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { AppModule } from './app.module.js';
import { type Environment, misspelledVariables } from './config/environment.js';
import { createFastifyAdapter } from './http/fastify.js';
import { reportProtocolErrors } from './http/protocol-errors.js';

const KEEP_ALIVE_SECONDS = 4;

/** The whole application, ready to listen: the same for the process and the tests. */
export async function createApp(environment: Environment): Promise<NestFastifyApplication> {
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined) {
    const { startTracing } = await import('@latchkey/tracing/sdk');
    startTracing('latchkey-mcp-server');
  }
  const logger = createLogger(environment.LOG_LEVEL);
  for (const warning of misspelledVariables(process.env)) logger.warn(warning);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule,
    createFastifyAdapter(logger, environment.TRUSTED_PROXIES),
    // main.ts says what went wrong, in place of an abort.
    { logger: new NestLogger(logger), bodyParser: false, abortOnError: false },
  );
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined) {
    const { traceRequests } = await import('@latchkey/tracing/trace-requests');
    traceRequests(fastify);
  }
  app.get(HttpFront).protect(fastify, {
    keepAliveSeconds: KEEP_ALIVE_SECONDS,
    // No MCP client pipelines.
    maxPipelined: 0,
    reportProtocolError: reportProtocolErrors(logger),
  });
  return app;
}
