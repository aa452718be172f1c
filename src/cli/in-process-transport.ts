import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createFastifyAdapter } from '../http/fastify.js';
import { setUpRoutes } from '../route-setup.js';
import type { Transport } from './api-client.js';
import { OperatorModule } from './operator.module.js';

const REMEDIES = {
  SCHEMA_OUTDATED:
    'Run npx prisma migrate deploy (in production: node deploy/database/migrate.mjs).',
  DATABASE_UNAVAILABLE:
    'The database cannot be reached, or takes too long: check DATABASE_URL. With --url, no database is needed.',
};

/**
 * Handles requests in this process, directly on the database and without a port. The operator may
 * do everything, because the database password permits everything anyway. A revocation does not
 * wait until this process acknowledges it, because the process serves no requests with keys.
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
