import { StandardSchemaValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import type { Environment } from './config/environment.js';
import { createFastifyAdapter } from './http/fastify.js';
import { invalidRequest } from './http/invalid-request.js';
import { ProblemFilter } from './http/problem.filter.js';
import { RouteTable } from './http/route-table.js';
import { createLogger } from './logging/logger.js';
import { NestLogger } from './logging/nest-logger.js';
import { serveDocs } from './openapi/serve-docs.js';

/** The whole application, ready to listen: the same for the process, the tests and the OpenAPI document. */
export async function createApp(environment: Environment): Promise<NestFastifyApplication> {
  const logger = createLogger(environment.LOG_LEVEL);
  const adapter = createFastifyAdapter(logger);
  const routes = new RouteTable(adapter.getInstance());
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forEnvironment(environment),
    adapter,
    // Without Nest's body parser, which would take forms too.
    { logger: new NestLogger(logger), bodyParser: false, abortOnError: false },
  );
  app.setGlobalPrefix('api');
  app.useGlobalPipes(new StandardSchemaValidationPipe({ exceptionFactory: invalidRequest }));
  app.useGlobalFilters(new ProblemFilter(routes));
  app.enableShutdownHooks();
  if (environment.API_DOCS === 'on') serveDocs(app);
  return app;
}
