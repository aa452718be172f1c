import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { type DynamicModule, Module, StandardSchemaValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { ApiKeysModule } from '../api-keys/api-keys.module.js';
import { KeyVerifier } from '../api-keys/key-verifier.js';
import type { Principal } from '../api-keys/principal.js';
import { SCOPES } from '../api-keys/scopes.js';
import { AuditController } from '../audit/audit.controller.js';
import { AuditService } from '../audit/audit.service.js';
import { ConfigModule } from '../config/config.module.js';
import { createFastifyAdapter } from '../http/fastify.js';
import { InternalApiKeysController } from '../internal-api-keys/internal-api-keys.controller.js';
import { KeyConcurrencyLimit } from '../limits/key-concurrency-limit.js';
import { KeyRateLimit } from '../limits/key-rate-limit.js';
import { WrongKeyLimit } from '../limits/wrong-key-limit.js';
import { PrismaModule } from '../prisma/prisma.module.js';
import { invalidRequest } from '../problems/invalid-request.js';
import { ProblemFilter } from '../problems/problem.filter.js';
import { RouteTable } from '../problems/route-table.js';
import { FinishedRequests } from '../requests/finished-requests.js';
import { FinishedRequestsModule } from '../requests/finished-requests.module.js';
import { UsageModule } from '../usage/usage.module.js';
import type { Transport } from './api-client.js';

const REMEDIES = {
  DATABASE_UNAVAILABLE:
    'The database cannot be reached, or takes too long: check DATABASE_URL. With --url, no database is needed.',
};

@Module({})
class OperatorModule {}

/**
 * Answers requests in this process, over the database, and listens on no port. The operator may do everything:
 * whoever reads the database's password can do so anyway. The process is no instance that revocations wait for.
 */
export async function openInProcessTransport(operator: string): Promise<Transport> {
  const app = await NestFactory.create<NestFastifyApplication>(
    operatorModule(operator),
    createFastifyAdapter(createLogger('error', 'stderr'), []),
    {
      logger: new NestLogger(createLogger('warn', 'stderr')),
      abortOnError: false,
      bodyParser: false,
    },
  );
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  const requests = app.get(FinishedRequests);
  fastify.decorate('finishedRequests', requests);
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

function operatorModule(operator: string): DynamicModule {
  const principal: Principal = {
    keyId: `cli:${operator}`,
    isRoot: true,
    scopes: SCOPES,
    readFields: undefined,
    writeFields: undefined,
    budgets: [],
  };
  const unlimited = { enter: () => undefined, count: () => undefined };
  return {
    module: OperatorModule,
    imports: [ConfigModule, PrismaModule, FinishedRequestsModule, ApiKeysModule, UsageModule],
    controllers: [InternalApiKeysController, AuditController],
    providers: [
      AuditService,
      { provide: KeyVerifier, useValue: { verify: () => ({ outcome: 'admitted', principal }) } },
      { provide: KeyConcurrencyLimit, useValue: unlimited },
      { provide: KeyRateLimit, useValue: unlimited },
      { provide: WrongKeyLimit, useValue: unlimited },
    ],
  };
}
