/**
 * `npm start`: everything that a fresh checkout needs to serve, step by step, until Ctrl-C.
 */
import { once } from 'node:events';
import { parseEnvironment, type Environment } from '../src/config/environment.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { checkAddressIsFree, localUrl } from './start/address.js';
import { Backend } from './start/backend.js';
import { build, isBuildOutdated } from './start/build.js';
import { checkDatabase, hasPendingMigrations, hasUsers, seed } from './start/database.js';
import { createEnvironmentFile, readVariables } from './start/environment.js';
import { runTool, step } from './start/step.js';

const stopping = new AbortController();
// Also from the second time on: the default would end us before our children.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stopping.abort());

try {
  await start(stopping.signal);
} catch (error) {
  if (!stopping.signal.aborted) {
    console.error(`✗ ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

async function start(signal: AbortSignal): Promise<void> {
  await createEnvironmentFile();
  const variables = await readVariables();
  const isEmbedded = !variables.DATABASE_URL && !variables.DATABASE_URL_FILE;
  if (isEmbedded && variables.NODE_ENV === 'production') {
    throw new Error('Production needs a database of its own: set DATABASE_URL.');
  }
  // The embedded database has no URL yet, and all else is checked before the slow steps.
  const environment = parseEnvironment({
    ...variables,
    ...(isEmbedded && { DATABASE_URL: 'postgresql://127.0.0.1' }),
  });
  await checkAddressIsFree(environment);
  if (!isEmbedded) await checkDatabase(environment.DATABASE_URL);
  if (await isBuildOutdated()) await step('Build', signal, () => build(variables, signal));
  if (!isEmbedded) return serve(variables, environment, signal);

  const postgres = await step('Start PostgreSQL', signal, () => EmbeddedPostgres.start());
  try {
    const DATABASE_URL = postgres.url;
    await serve({ ...variables, DATABASE_URL }, { ...environment, DATABASE_URL }, signal);
  } finally {
    await postgres.stop();
  }
}

async function serve(
  variables: NodeJS.ProcessEnv,
  environment: Environment,
  signal: AbortSignal,
): Promise<void> {
  await prepareDatabase(variables, environment, signal);
  signal.throwIfAborted();
  const backend = Backend.start(variables);
  try {
    const url = localUrl(environment);
    await backend.ready(url, signal);
    signal.throwIfAborted();
    printUsage(url, variables);
    await Promise.race([backend.ended, once(signal, 'abort')]);
    if (!signal.aborted) throw new Error(`The backend ended by itself (${await backend.ended}).`);
  } finally {
    await backend.stop();
  }
}

async function prepareDatabase(
  variables: NodeJS.ProcessEnv,
  { DATABASE_URL, NODE_ENV }: Environment,
  signal: AbortSignal,
): Promise<void> {
  if (await hasPendingMigrations(DATABASE_URL)) {
    await step('Migrate the database', signal, () =>
      runTool(
        'prisma/build/index.js',
        ['migrate', 'deploy'],
        { ...variables, DATABASE_URL },
        signal,
      ),
    );
  }
  if (NODE_ENV !== 'production' && !(await hasUsers(DATABASE_URL))) {
    await step('Add demo users', signal, () => seed(DATABASE_URL));
  }
}

/** The key is taken from where it is, so that no log of this output keeps it. */
function printUsage(url: string, { INTERNAL_API_KEY_FILE }: NodeJS.ProcessEnv): void {
  const seconds = (performance.now() / 1000).toFixed(1);
  let key = `$(sed -n 's/^INTERNAL_API_KEY=//p' .env)`;
  if (INTERNAL_API_KEY_FILE) key = `$(head -n 1 '${INTERNAL_API_KEY_FILE}')`;
  if (process.env.INTERNAL_API_KEY) key = '$INTERNAL_API_KEY';
  console.log(`
Latchkey serves at ${url} after ${seconds} s; Ctrl-C stops it. In another terminal, in this folder:

curl -s ${url}/api/internal/users/12345 -H "X-API-Key: ${key}"
`);
}
