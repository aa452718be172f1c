import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { PrismaPg } from '@prisma/adapter-pg';
import request from 'supertest';
import { afterAll, beforeAll } from 'vitest';
import { parseEnvironment } from '../../src/config/environment.js';
import { createApp } from '../../src/create-app.js';
import { PrismaClient } from '../../src/generated/prisma/client.js';
import { UTC_SESSION } from '../../src/prisma/utc-session.js';
import { createTestDatabase } from './database.js';

export const API_KEY = 'f1b7c2d94e8a4a0f9c53d1e6b8072a64';

/** Variables that every test application starts from; no listener, no log. */
export const TEST_ENVIRONMENT = {
  NODE_ENV: 'test',
  LOG_LEVEL: 'silent',
  INTERNAL_API_KEY: API_KEY,
  // Tests try many wrong keys from one address.
  SOURCE_FAILURE_LIMIT: '10000',
};

export interface TestApp {
  readonly nest: NestFastifyApplication;
  /** Where it listens. */
  readonly url: string;
  /** For the rows that a test needs. */
  readonly prisma: PrismaClient;
}

/** Starts the real application on a port of its own. */
export async function startApp(variables: NodeJS.ProcessEnv): Promise<NestFastifyApplication> {
  const nest = await createApp(parseEnvironment({ ...TEST_ENVIRONMENT, ...variables }));
  await nest.listen(0, '127.0.0.1');
  return nest;
}

/** Starts the application on an empty database of its own for the tests of a file, and stops both after them. */
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

/** A client that sends the good key. */
export function withKey(url: string, key = API_KEY) {
  return request.agent(url).set('X-API-Key', key);
}
