import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../../src/generated/prisma/client.js';
import { API_KEY } from '../support/app.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { issueKey } from '../support/keys.js';
import { BACKEND_MAIN, ServerProcess } from '../support/server-process.js';
import { addUser } from '../support/users.js';

const WRITERS = 100;
const READS = 300;
const WARM_UP_READS = 200;

describe('other keys’ reads', { timeout: 120_000 }, () => {
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

  /** The status of a request, and how long it took, in milliseconds. */
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

  async function medianRead(id: string, key: string, times: number): Promise<number> {
    const durations: number[] = [];
    for (let read = 0; read < times; read++) {
      const { status, ms } = await call('GET', id, key);
      expect(status).toBe(200);
      durations.push(ms);
    }
    return durations.toSorted((one, other) => one - other)[Math.floor(times / 2)] ?? NaN;
  }

  it('take at most 3 times as long while one key changes one user 100 times at once', async () => {
    const [writtenTo, other] = [await addUser(prisma), await addUser(prisma)];
    const { secret: writer } = await issueKey(backend.origin, { scopes: ['users:write'] });
    const { secret: reader } = await issueKey(backend.origin);
    await medianRead(other.id, reader, WARM_UP_READS);
    const undisturbed = await medianRead(other.id, reader, READS);
    let isOver = false;
    const statuses: Record<number, number> = {};
    const writers = Array.from({ length: WRITERS }, async (_, number) => {
      while (!isOver) {
        const { status = 0 } = await call(
          'PATCH',
          writtenTo.id,
          writer,
          JSON.stringify({ name: `Name ${number}` }),
        );
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    });
    const allWritten = Promise.allSettled(writers);
    await medianRead(other.id, reader, WARM_UP_READS);
    const disturbed = await medianRead(other.id, reader, READS);
    isOver = true;
    await allWritten;
    console.log(
      `p50 of reads: ${undisturbed.toFixed(2)} ms alone, ${disturbed.toFixed(2)} ms beside writes`,
      statuses,
    );
    expect(disturbed).toBeLessThanOrEqual(3 * undisturbed);
  });
});
