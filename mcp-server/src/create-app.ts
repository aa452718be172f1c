import { baseHeaders } from '@latchkey/http-front/error-response';
import { HttpFront } from '@latchkey/http-front/http-front';
import { serverOptions } from '@latchkey/http-front/server-options';
import { createLogger, withoutRedaction } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import { type Environment, misspelledVariables } from './config/environment.js';
import { reportProtocolErrors } from './http/protocol-errors.js';

const KEEP_ALIVE_SECONDS = 4;

/** Creates the whole application, ready to listen. */
export async function createApp(environment: Environment): Promise<NestFastifyApplication> {
  const isTraced = environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined;
  if (isTraced) {
    const { startTracing } = await import('@latchkey/tracing/sdk');
    startTracing('latchkey-mcp-server');
  }
  const logger = createLogger(environment.LOG_LEVEL);
  for (const warning of misspelledVariables(process.env)) logger.warn(warning);
  const adapter = new FastifyAdapter({
    ...serverOptions(environment.TRUSTED_PROXIES),
    loggerInstance: logger,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'requestId',
    }),
  });
  const fastify: FastifyInstance = adapter.getInstance();
  addHooks(fastify, logger);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule,
    adapter,
    // main.ts reports errors; by default Nest would abort the process.
    { logger: new NestLogger(logger), bodyParser: false, abortOnError: false },
  );
  if (isTraced) {
    const { traceRequests } = await import('@latchkey/tracing/trace-requests');
    traceRequests(fastify);
  }
  app.get(HttpFront).protect(fastify, {
    keepAliveSeconds: KEEP_ALIVE_SECONDS,
    // No MCP client pipelines requests.
    maxPipelined: 0,
    reportProtocolError: reportProtocolErrors(logger),
  });
  return app;
}

function addHooks(fastify: FastifyInstance, logger: Logger): void {
  // The MCP controller reads request bodies itself.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _body, done) => done(null));
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(baseHeaders(request.id));
    done();
  });
  const requestLogger = withoutRedaction(logger);
  fastify.addHook('onResponse', ({ id: requestId, method, routeOptions }, reply, done) => {
    const { url: route = null } = routeOptions;
    const { statusCode: status } = reply;
    const durationMs = Math.round(reply.elapsedTime);
    // Successful health probes would dominate the log.
    const isProbe = route?.startsWith('/health') && status < 400;
    const fields = { requestId, method, route, status, durationMs };
    requestLogger[isProbe ? 'debug' : 'info'](fields, 'request');
    done();
  });
}
