import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { StandardSchemaValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { createFastifyAdapter } from '../http/fastify.js';
import { invalidRequest } from '../problems/invalid-request.js';
import { ProblemFilter } from '../problems/problem.filter.js';
import { RouteTable } from '../problems/route-table.js';
import { RequestEvents } from '../requests/request-events.js';
import type { Transport } from './api-client.js';
import { OperatorModule } from './operator.module.js';

const REMEDIES = {
  SCHEMA_OUTDATED:
    'Run npx prisma migrate deploy, or in production node deploy/database/migrate.mjs.',
  DATABASE_UNAVAILABLE:
    'The database cannot be reached, or takes too long: check DATABASE_URL. With --url, no database is needed.',
};

/**
 * Answers requests in this process, over the database, and listens on no port. The operator may do everything:
 * an operator with the database's password can do so anyway. The process is no instance that revocations wait for.
 */
export async function openInProcessTransport(operator: string): Promise<Transport> {
  const app = await NestFactory.create<NestFastifyApplication>(
    OperatorModule.for(operator),
    createFastifyAdapter(createLogger('error', 'stderr'), []),
    {
      logger: new NestLogger(createLogger('warn', 'stderr')),
      abortOnError: false,
      bodyParser: false,
    },
  );
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  const events = app.get(RequestEvents);
  fastify.decorate('requestEvents', events);
  app.setGlobalPrefix('api');
  app.useGlobalPipes(new StandardSchemaValidationPipe({ exceptionFactory: invalidRequest }));
  app.useGlobalFilters(new ProblemFilter(new RouteTable(fastify)));
  await app.init();
  return {
    remedies: REMEDIES,
    close: () => app.close(),
    async send({ method, path, body }) {
      const headers = { 'content-type': 'application/json' };
      const payload = body === undefined ? '' : JSON.stringify(body);
      const { statusCode, body: text } = await app.inject({ method, url: path, headers, payload });
      return { status: statusCode, text };
    },
  };
}
