import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../../src/generated/prisma/client.js';
import { API_KEY } from '../support/app.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { issueKey } from '../support/keys.js';
import { Load } from '../support/load.js';
import { BACKEND_MAIN, ServerProcess } from '../support/server-process.js';
import { addUser } from '../support/users.js';

const WRITERS = 100;
const READS = 200;
const ROUNDS = 3;
const CHANGES = JSON.stringify({ name: 'Grace Hopper' });

describe('the reads of a caller', { timeout: 120_000 }, () => {
  let database: TestDatabase;
  let backend: ServerProcess;
  let agent: Agent;
  let prisma: PrismaClient;
  beforeAll(async () => {
    database = await createTestDatabase();
    agent = new Agent({ keepAlive: true });
    prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }) });
    backend = await ServerProcess.start(BACKEND_MAIN, {
      NODE_ENV: 'test',
      PORT: '0',
      DATABASE_URL: database.runTimeUrl,
      INTERNAL_API_KEY: API_KEY,
    });
  });
  afterAll(async () => {
    agent.destroy();
    await backend.stop();
    await prisma.$disconnect();
    await database.drop();
  });

  /** Sends a request. Resolves to the status and to the duration in milliseconds. */
  function call(method: string, id: string, key: string, body = '') {
    return new Promise<{ status: number | undefined; ms: number }>((resolve, reject) => {
      const startedAt = performance.now();
      const headers = { 'x-api-key': key, 'content-type': 'application/json' };
      const url = `${backend.origin}/api/internal/users/${id}`;
      const sent = request(url, { method, headers, agent }, (response) => {
        response.resume();
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode, ms: performance.now() - startedAt }),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** The median duration of sequential reads in milliseconds. A failed read counts as infinite. */
  async function medianRead(id: string, key: string): Promise<number> {
    const durations: number[] = [];
    for (let read = 0; read < READS; read++) {
      const { status, ms } = await call('GET', id, key);
      durations.push(status === 200 ? ms : Infinity);
    }
    return durations.toSorted((one, other) => one - other)[READS / 2] ?? NaN;
  }

  it('take at most 3 times as long while another caller sends 100 concurrent changes of one user', async () => {
    const [changed, read] = [await addUser(prisma), await addUser(prisma)];
    const { secret: writer } = await issueKey(backend.origin, { scopes: ['users:write'] });
    const { secret: reader } = await issueKey(backend.origin);
    const ratios: number[] = [];
    // Each round measures the reads without and with writes. The best round counts, because other
    // work on the machine may slow down a measurement.
    for (let round = 0; round <= ROUNDS; round++) {
      const undisturbed = await medianRead(read.id, reader);
      const writes = new Load(() => call('PATCH', changed.id, writer, CHANGES), Infinity);
      const writing = writes.run(WRITERS);
      const disturbed = await medianRead(read.id, reader);
      writes.stop();
      await writing;
      console.log(`p50: ${undisturbed.toFixed(2)} ms, beside writes ${disturbed.toFixed(2)} ms`);
      // The first round only warms the process up.
      if (round > 0) ratios.push(disturbed / undisturbed);
    }
    expect(Math.min(...ratios)).toBeLessThanOrEqual(3);
  });
});
