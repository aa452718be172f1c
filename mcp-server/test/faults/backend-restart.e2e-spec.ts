import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { PrismaClient } from '../../../src/generated/prisma/client.js';
import { type TestDatabase, createTestDatabase } from '../../../test/support/database.js';
import { addUser } from '../../../test/support/users.js';
import { connect, sentence } from '../support/clients.js';
import { token } from '../support/tokens.js';
import { API_KEY, startBackend, startMcp } from '../support/servers.js';

const OTHER_KEY = '0a1c2e4b6d8f7053942b6a8c0e1d3f57';
// An open circuit admits a probe after 1 s, so recovery takes about 1 s. On a slow machine, the
// calls themselves take longer.
const RECOVERY_BOUND_MS = 15_000;
const CONCURRENCY = 50;
const GOOD = 'Hello Ada! Your checking balance is $5.00.';
const BAD = 'The user service is unavailable at the moment. Try again in a few seconds.';

// Long time-outs, because these tests are only about the circuit breaker and lost connections.
const PATIENT = {
  BACKEND_CONNECT_TIMEOUT_MS: '5000',
  BACKEND_RESPONSE_TIMEOUT_MS: '10000',
  BACKEND_TOTAL_TIMEOUT_MS: '20000',
};

const isGood = (text: string | undefined) => text === GOOD;

let database: TestDatabase;
let folder: string;
let userId: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'latchkey-restart-'));
  database = await createTestDatabase();
  const prisma = new PrismaClient({ adapter: new PrismaPg(database.url) });
  const accounts = { create: { type: 'checking', currency: 'USD', balance: '5' } } as const;
  ({ id: userId } = await addUser(prisma, { name: 'Ada', permissions: ['read'], accounts }));
  await prisma.$disconnect();
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true });
});

describe('a backend that is killed under 50 concurrent calls and started again', () => {
  it('leads to clean tool errors, and to correct results within 15 s of the restart', async () => {
    const DATABASE_URL = database.url;
    let backend = await startBackend({ DATABASE_URL });
    const BACKEND_API_URL = backend.origin;
    const mcp = await startMcp({ BACKEND_API_URL, BACKEND_FALLBACK: 'off', ...PATIENT });
    const client = await connect(mcp.url, await token(userId));
    const sentences: (string | undefined)[] = [];
    const stopping = new AbortController();
    const caller = async () => {
      while (!stopping.signal.aborted) {
        sentences.push(sentence(await client.callTool('get_balance')));
      }
    };
    const callers = Array.from({ length: CONCURRENCY }, caller);
    await new Promise((resolve) => setTimeout(resolve, 1000));

    await backend.stop('SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    backend = await startBackend({ DATABASE_URL, PORT: new URL(BACKEND_API_URL).port });
    await vi.waitUntil(
      () => sentences.length > CONCURRENCY && sentences.slice(-CONCURRENCY).every(isGood),
      {
        timeout: RECOVERY_BOUND_MS,
      },
    );
    const before = sentences.length;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    stopping.abort();
    await Promise.all(callers);

    expect(new Set(sentences)).toEqual(new Set([GOOD, BAD]));
    expect(sentences.slice(before).every(isGood)).toBe(true);
    await client.close();
    await mcp.stop();
    await backend.stop();
  });
});

describe('a rotation of the API key', () => {
  it('takes effect through the key file, without a restart of the MCP server', async () => {
    const INTERNAL_API_KEY_FILE = join(folder, 'key');
    writeFileSync(INTERNAL_API_KEY_FILE, `${API_KEY}\n`);
    const first = await startBackend({ DATABASE_URL: database.url });
    const BACKEND_API_URL = first.origin;
    const mcp = await startMcp({
      BACKEND_API_URL,
      BACKEND_FALLBACK: 'off',
      INTERNAL_API_KEY: '',
      INTERNAL_API_KEY_FILE,
    });
    const client = await connect(mcp.url, await token(userId));
    expect((await client.callTool('get_balance')).isError).toBeUndefined();
    await first.stop();

    const PORT = new URL(BACKEND_API_URL).port;
    const second = await startBackend({
      DATABASE_URL: database.url,
      INTERNAL_API_KEY: OTHER_KEY,
      PORT,
    });
    expect(sentence(await client.callTool('get_balance'))).toContain('refuses this server');
    writeFileSync(INTERNAL_API_KEY_FILE, `${OTHER_KEY}\n`);
    expect((await client.callTool('get_balance')).isError).toBeUndefined();
    await client.close();
    await mcp.stop();
    await second.stop();
  });
});

describe('the health endpoint', () => {
  it('reports that the server is up and an unreachable backend is down', async () => {
    const mcp = await startMcp({ BACKEND_API_URL: 'http://127.0.0.1:1' });
    for (const path of ['/health', '/health/ready']) {
      const answer = await fetch(new URL(path, mcp.origin));
      expect(answer.status).toBe(200);
      expect(await answer.json()).toEqual({ status: 'up', checks: { backend: 'down' } });
    }
    expect(await (await fetch(new URL('/health/live', mcp.origin))).json()).toEqual({
      status: 'up',
    });
    await mcp.stop();
  });

  it('reports that a ready backend is up', async () => {
    const backend = await startBackend({ DATABASE_URL: database.url });
    const mcp = await startMcp({ BACKEND_API_URL: backend.origin });
    const answer = await fetch(new URL('/health', mcp.origin));
    expect(await answer.json()).toEqual({ status: 'up', checks: { backend: 'up' } });
    await mcp.stop();
    await backend.stop();
  });
});
