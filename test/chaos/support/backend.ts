import { findFreePort } from '../../../scripts/free-port.js';
import { API_KEY } from '../../support/app.js';
import { BACKEND_MAIN, ServerProcess } from '../../support/server-process.js';
import { type TestRequest, sendRequest } from './callers.js';
import { until } from './chaos-database.js';

type Protection =
  | 'load-shedding'
  | 'lazy-database-connection'
  | 'database-guard'
  | 'write-retry-ban'
  | 'database-error-codes'
  | 'draining'
  | 'http-time-outs'
  | 'memory-release'
  | 'write-before-response'
  | 'mcp-write-before-result';

/** Starts a backend in production mode with a short drain period. */
export function startBackend(
  databaseUrl: string,
  variables: NodeJS.ProcessEnv = {},
): Promise<ServerProcess> {
  return ServerProcess.start(BACKEND_MAIN, {
    NODE_ENV: 'production',
    LOG_LEVEL: 'info',
    PORT: '0',
    DRAIN_SECONDS: '1',
    DATABASE_URL: databaseUrl,
    INTERNAL_API_KEY: API_KEY,
    ...variables,
  });
}

/** Starts a backend without a request log, which would grow to gigabytes under load. */
export async function startQuietBackend(
  databaseUrl: string,
  variables: NodeJS.ProcessEnv = {},
): Promise<ServerProcess> {
  const PORT = String(await findFreePort());
  return startBackend(databaseUrl, { LOG_LEVEL: 'warn', PORT, ...variables });
}

/**
 * Environment variables that remove a protection from a server. A test uses such a server as its
 * control: without the protection, the failure that the test causes must do harm.
 */
export function without(protection: Protection): NodeJS.ProcessEnv {
  return {
    WITHOUT: protection,
    NODE_OPTIONS: `--import=${new URL('without.mjs', import.meta.url).href}`,
  };
}

const READINESS: TestRequest = { path: '/api/health/ready' };

export async function isReady({ origin }: ServerProcess): Promise<boolean> {
  return (await sendRequest(origin, READINESS)).status === 200;
}

export async function ready(backend: ServerProcess): Promise<void> {
  try {
    await until(() => isReady(backend));
  } catch {
    throw new Error(`Not ready: ${(await sendRequest(backend.origin, READINESS)).body}`);
  }
}

/** Adds a user and returns the request that reads the user. */
export async function addUser(backend: ServerProcess, id: string): Promise<TestRequest> {
  await ready(backend);
  const body = { id, email: `${id}@example.com`, name: 'Ada Lovelace' };
  const { status, body: received } = await sendRequest(backend.origin, {
    method: 'POST',
    path: '/api/internal/users',
    body,
  });
  if (status !== 201) throw new Error(`No user was added: ${received}`);
  return { path: `/api/internal/users/${id}` };
}

/** Log lines that report unexpected errors. */
export function unexpectedErrors({ output }: ServerProcess): string[] {
  return output.split('\n').filter((line) => /unexpected error|Unhandled|uncaught/i.test(line));
}
