import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendClient } from '../../mcp-server/src/backend/backend-client.js';
import { parseBackendEnvironment } from '../../mcp-server/src/config/environment.js';
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../../src/generated/prisma/client.js';
import { API_KEY, withKey } from '../support/app.js';
import { Balancer } from '../support/balancer.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { issueKey, statusWith, ADMITTED, REFUSED } from '../support/keys.js';
import { Load, scaled } from '../support/load.js';
import { BACKEND_MAIN, ServerProcess } from '../support/server-process.js';
import { addUser } from '../support/users.js';

const REQUESTS = scaled(100_000);
const CONCURRENCY = 16;
const OTHER_KEY = '0a1c2e4b6d8f7053942b6a8c0e1d3f57';
const KEYS = '/api/internal/api-keys';

let database: TestDatabase;
let userId: string;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'latchkey-rotation-'));
  const prisma = new PrismaClient({ adapter: new PrismaPg(database.url) });
  ({ id: userId } = await addUser(prisma));
  await prisma.$disconnect();
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true });
});

function startBackend(variables: NodeJS.ProcessEnv): Promise<ServerProcess> {
  const common = { NODE_ENV: 'test', PORT: '0', DATABASE_URL: database.url, DRAIN_SECONDS: '1' };
  return ServerProcess.start(BACKEND_MAIN, { ...common, ...variables });
}

/** The MCP server's client for the backend, with time-outs that suffice on a busy machine. */
function connect(url: string, variables: NodeJS.ProcessEnv): BackendClient {
  return new BackendClient(
    parseBackendEnvironment({
      BACKEND_API_URL: url,
      BACKEND_FALLBACK: 'off',
      BACKEND_CONNECT_TIMEOUT_MS: '5000',
      BACKEND_RESPONSE_TIMEOUT_MS: '10000',
      BACKEND_TOTAL_TIMEOUT_MS: '20000',
      ...variables,
    }),
  );
}

/** Replaces a file atomically, as Vault Agent and Kubernetes secret volumes do. */
function writeKey(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Repeats requests with the client during a rotation. Expects that no request fails. */
async function underLoad(
  client: () => BackendClient,
  rotate: (load: Load) => Promise<void>,
): Promise<void> {
  const load = new Load(() => client().getUserDetails(userId), REQUESTS);
  await Promise.all([load.run(CONCURRENCY), rotate(load)]);
  expect(load.failures).toEqual([]);
  expect(load.started).toBeGreaterThanOrEqual(REQUESTS);
}

describe(
  `during ${REQUESTS} requests that the MCP server's backend client sends`,
  { timeout: 600_000 },
  () => {
    it('the rotation of an issued key causes no failed request', async () => {
      const backend = await startBackend({ INTERNAL_API_KEY: API_KEY });
      const old = await issueKey(backend.origin);
      const path = join(folder, 'issued');
      writeKey(path, old.secret);
      const client = connect(backend.origin, { INTERNAL_API_KEY_FILE: path });
      await underLoad(
        () => client,
        async (load) => {
          await load.reached(0.3);
          const { body } = await withKey(backend.origin)
            .post(`${KEYS}/${old.id}/rotate`)
            .expect(201);
          writeKey(path, body.secret);
          await load.reached(0.6);
          // The client reads its file again when a request is refused.
          await withKey(backend.origin).post(`${KEYS}/${old.id}/revoke`).expect(200);
        },
      );
      expect(await statusWith(backend.origin, old.secret)).toBe(REFUSED);
      await backend.stop();
    });

    it('a rotation of the root key by two restarts with new variables causes no failed request', async () => {
      const balancer = await Balancer.start();
      let backend = await startBackend({ INTERNAL_API_KEY: API_KEY });
      balancer.pointAt(backend.origin);
      const restart = async (variables: NodeJS.ProcessEnv) => {
        const previous = backend;
        backend = await startBackend(variables);
        balancer.pointAt(backend.origin);
        await previous.stop();
      };
      let client = connect(balancer.url, { INTERNAL_API_KEY: API_KEY });
      await underLoad(
        () => client,
        async (load) => {
          await load.reached(0.2);
          await restart({ INTERNAL_API_KEY: OTHER_KEY, INTERNAL_API_KEY_PREVIOUS: API_KEY });
          await load.reached(0.5);
          client = connect(balancer.url, { INTERNAL_API_KEY: OTHER_KEY });
          await load.reached(0.7);
          await restart({ INTERNAL_API_KEY: OTHER_KEY });
        },
      );
      expect(await statusWith(backend.origin, API_KEY)).toBe(REFUSED);
      expect(await statusWith(backend.origin, OTHER_KEY)).toBe(ADMITTED);
      await backend.stop();
      await balancer.stop();
    });

    it('a rotation of the root key in its file, without a restart, causes no failed request', async () => {
      const backendFile = join(folder, 'backend');
      const clientFile = join(folder, 'client');
      writeKey(backendFile, API_KEY);
      writeKey(clientFile, API_KEY);
      const backend = await startBackend({ INTERNAL_API_KEY_FILE: backendFile });
      const client = connect(backend.origin, { INTERNAL_API_KEY_FILE: clientFile });
      await underLoad(
        () => client,
        async (load) => {
          await load.reached(0.2);
          writeKey(backendFile, `${OTHER_KEY}\n${API_KEY}\n`);
          await load.reached(0.5);
          writeKey(clientFile, OTHER_KEY);
          await load.reached(0.7);
          writeKey(backendFile, OTHER_KEY);
        },
      );
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(await statusWith(backend.origin, API_KEY)).toBe(REFUSED);
      await backend.stop();
    });
  },
);
