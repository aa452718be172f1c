import { StandardSchemaValidationPipe } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { invalidRequest } from './problems/invalid-request.js';
import { ProblemFilter } from './problems/problem.filter.js';
import { RouteTable } from './problems/route-table.js';
import { RequestEvents } from './requests/request-events.js';

/** Sets the path prefix, validation and error responses of all routes. */
export function setUpRoutes(app: NestFastifyApplication): void {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  const events = app.get(RequestEvents);
  fastify.decorate('requestEvents', events);
  app.setGlobalPrefix('api');
  app.useGlobalPipes(new StandardSchemaValidationPipe({ exceptionFactory: invalidRequest }));
  app.useGlobalFilters(new ProblemFilter(new RouteTable(fastify)));
}
