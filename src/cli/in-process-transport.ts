import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { type DynamicModule, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
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
import { RequestEventsModule } from '../requests/request-events.js';
import { setUpRoutes } from '../route-setup.js';
import { UsageModule } from '../usage/usage.module.js';
import type { Transport } from './api-client.js';

const REMEDIES = {
  SCHEMA_OUTDATED:
    'Run npx prisma migrate deploy, or in production node deploy/database/migrate.mjs.',
  DATABASE_UNAVAILABLE:
    'The database cannot be reached, or takes too long: check DATABASE_URL. With --url, no database is needed.',
};

/** The routes of the command line. */
@Module({
  imports: [ConfigModule, PrismaModule, RequestEventsModule, ApiKeysModule, UsageModule],
  controllers: [InternalApiKeysController, AuditController],
})
class OperatorModule {}

/**
 * Handles requests in this process, on the database, without a port. The operator may do
 * everything, as the database's password already permits. Revocations do not wait for this process.
 */
export async function openInProcessTransport(operator: string): Promise<Transport> {
  const app = await NestFactory.create<NestFastifyApplication>(
    admittingAs(operator),
    createFastifyAdapter(createLogger('error', 'stderr'), []),
    {
      logger: new NestLogger(createLogger('warn', 'stderr')),
      abortOnError: false,
      bodyParser: false,
    },
  );
  setUpRoutes(app);
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

/** Admits every request as the operator, without limits. */
function admittingAs(operator: string): DynamicModule {
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
    providers: [
      AuditService,
      { provide: KeyVerifier, useValue: { verify: () => ({ outcome: 'admitted', principal }) } },
      { provide: KeyConcurrencyLimit, useValue: unlimited },
      { provide: KeyRateLimit, useValue: unlimited },
      { provide: WrongKeyLimit, useValue: unlimited },
    ],
  };
}
