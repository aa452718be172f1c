import { findFreePort } from '../../../scripts/free-port.js';
import { API_KEY } from '../../support/app.js';
import { BACKEND_MAIN, ServerProcess } from '../../support/server-process.js';
import { type Question, ask } from './callers.js';
import { until } from './chaos-database.js';

type Protection =
  | 'load-shedding'
  | 'late-connection'
  | 'database-guard'
  | 'single-writes'
  | 'error-codes'
  | 'draining'
  | 'time-outs'
  | 'tidiness'
  | 'durability'
  | 'mcp-durability';

/** A backend as in production, but for a short drain period. */
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

/** A backend without request log, for loads whose log would be gigabytes. */
export async function startQuietBackend(
  databaseUrl: string,
  variables: NodeJS.ProcessEnv = {},
): Promise<ServerProcess> {
  const PORT = String(await findFreePort());
  return startBackend(databaseUrl, { LOG_LEVEL: 'warn', PORT, ...variables });
}

/** For the controls: the same test must fail where the protection is taken out. */
export function without(protection: Protection): NodeJS.ProcessEnv {
  return {
    WITHOUT: protection,
    NODE_OPTIONS: `--import=${new URL('without.mjs', import.meta.url).href}`,
  };
}

const READINESS: Question = { path: '/api/health/ready' };

export async function isReady({ origin }: ServerProcess): Promise<boolean> {
  return (await ask(origin, READINESS)).status === 200;
}

export async function ready(backend: ServerProcess): Promise<void> {
  try {
    await until(() => isReady(backend));
  } catch {
    throw new Error(`Not ready: ${(await ask(backend.origin, READINESS)).body}`);
  }
}

/** Adds a user and returns the question for it. */
export async function addUser(backend: ServerProcess, id: string): Promise<Question> {
  await ready(backend);
  const body = { id, email: `${id}@example.com`, name: 'Ada Lovelace' };
  const { status, body: answer } = await ask(backend.origin, {
    method: 'POST',
    path: '/api/internal/users',
    body,
  });
  if (status !== 201) throw new Error(`No user was added: ${answer}`);
  return { path: `/api/internal/users/${id}` };
}

/** Errors that nobody expected, as the log tells them. */
export function unexpectedErrors({ output }: ServerProcess): string[] {
  return output.split('\n').filter((line) => /unexpected error|Unhandled|uncaught/i.test(line));
}
