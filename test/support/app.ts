import { validatedConfig } from '@latchkey/environment/config-module';
import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import type { ModuleMetadata } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { PrismaPg } from '@prisma/adapter-pg';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { afterAll, beforeAll } from 'vitest';
import { parseEnvironment } from '../../src/config/environment.js';
import { PrismaClient } from '../../src/generated/prisma/client.js';
import { createFastifyAdapter } from '../../src/http/fastify.js';
import { UTC_SESSION } from '../../src/prisma/utc-session.js';
import { createTestDatabase } from './database.js';

export const API_KEY = 'f1b7c2d94e8a4a0f9c53d1e6b8072a64';

/** Variables of every test application. */
export const TEST_ENVIRONMENT = {
  NODE_ENV: 'test',
  LOG_LEVEL: 'silent',
  INTERNAL_API_KEY: API_KEY,
  // High, because tests try many wrong keys from one address.
  SOURCE_FAILURE_LIMIT: '10000',
};

export interface TestApp {
  readonly nest: NestFastifyApplication;
  /** The URL of the application. */
  readonly url: string;
  /** A client with the rights of the tables' owner, to prepare and read rows. */
  readonly prisma: PrismaClient;
}

// Importing the application validates the environment variables of this process, so they need valid
// values. `startApp` replaces them for each test application.
process.env.DATABASE_URL ??= 'postgresql://nobody@127.0.0.1:1/none';
process.env.INTERNAL_API_KEY ??= API_KEY;
const { AppModule } = await import('../../src/app.module.js');
const { ConfigModule } = await import('../../src/config/config.module.js');
const { APP_OPTIONS, configureApp } = await import('../../src/create-app.js');

/**
 * Starts the real application on a free port.
 * @param additions further modules and controllers
 */
export async function startApp(
  variables: NodeJS.ProcessEnv,
  additions: Pick<ModuleMetadata, 'imports' | 'controllers'> = {},
): Promise<NestFastifyApplication> {
  const environment = parseEnvironment({ ...TEST_ENVIRONMENT, ...variables });
  const logger = createLogger(environment.LOG_LEVEL);
  const module = await Test.createTestingModule({
    ...additions,
    imports: [AppModule, ...(additions.imports ?? [])],
  })
    .overrideModule(ConfigModule)
    .useModule(validatedConfig(() => environment))
    .setLogger(new NestLogger(logger))
    .compile();
  const nest = module.createNestApplication<NestFastifyApplication>(
    createFastifyAdapter(logger, environment.TRUSTED_PROXIES),
    APP_OPTIONS,
  );
  await configureApp(nest, environment, logger);
  await nest.listen(0, '127.0.0.1');
  return nest;
}

/**
 * Starts the application on a new, empty database before the tests of a file or `describe`. Stops
 * the application and drops the database after these tests.
 */
export function useApp(variables: NodeJS.ProcessEnv = {}): TestApp {
  let running: TestApp & { stop(): Promise<void> };
  beforeAll(async () => {
    const database = await createTestDatabase();
    const nest = await startApp({ DATABASE_URL: database.runTimeUrl, ...variables });
    const prisma = new PrismaClient({
      adapter: new PrismaPg({ connectionString: database.url, options: UTC_SESSION }),
    });
    const stop = async () => {
      await nest.close();
      await prisma.$disconnect();
      await database.drop();
    };
    running = { nest, prisma, url: await nest.getUrl(), stop };
  });
  afterAll(() => running.stop());
  return {
    get nest() {
      return running.nest;
    },
    get url() {
      return running.url;
    },
    get prisma() {
      return running.prisma;
    },
  };
}

/** A client that sends a key, by default the root key. */
export function withKey(url: string, key = API_KEY) {
  return request.agent(url).set('X-API-Key', key);
}
