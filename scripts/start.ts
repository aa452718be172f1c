/** `npm start`: prepares a checkout step by step and runs both servers until Ctrl-C. */
import { once } from 'node:events';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { checkPortsAreFree, localUrl } from './start/address.js';
import { build } from './start/build.js';
import { configureServers, type Configuration } from './start/configuration.js';
import { checkDatabase, hasPendingMigrations, hasUsers, seed } from './start/database.js';
import { keepVariables, prepareVariables } from './start/environment.js';
import {
  MCP_SERVER_KEY_FILE,
  findMcpServerKey,
  fitsMcpServer,
  issueMcpServerKey,
  replaceMcpServerKey,
} from './start/mcp-server-key.js';
import { ServerProcess } from './start/server-process.js';
import { runTool, step } from './start/step.js';
import { describeUsage } from './start/usage.js';

const stopping = new AbortController();
// Every signal, not only the first: the default action would end this process before its children.
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
  const variables = await prepareVariables(signal);
  const isEmbedded = !variables.DATABASE_URL && !variables.DATABASE_URL_FILE;
  if (isEmbedded && variables.NODE_ENV === 'production') {
    throw new Error('Production needs a database of its own: set DATABASE_URL.');
  }
  await checkPortsAreFree(variables);
  await step('Build', signal, () => build(variables, signal));
  if (isEmbedded) {
    await serveEmbedded(variables, signal);
  } else {
    const configuration = await configureServers(variables);
    await checkDatabase(configuration.backend.environment.DATABASE_URL);
    await serve(configuration, signal);
  }
}

async function serveEmbedded(variables: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  // Reports invalid variables before PostgreSQL starts, whose URL is not known yet.
  await configureServers({ ...variables, DATABASE_URL: 'postgresql://127.0.0.1' });
  const postgres = await step('Start PostgreSQL', signal, () => EmbeddedPostgres.start());
  try {
    await serve(await configureServers({ ...variables, DATABASE_URL: postgres.url }), signal);
  } finally {
    await postgres.stop();
  }
}

async function serve(configuration: Configuration, signal: AbortSignal): Promise<void> {
  const { backend, mcpServer } = configuration;
  await prepareDatabase(backend, signal);
  await prepareMcpServerKey(backend, signal);
  const isDevelopment = backend.environment.NODE_ENV !== 'production';
  const hasRootKeyFile = isDevelopment && (await keepVariables(configuration));
  signal.throwIfAborted();
  const { HOST, PORT } = backend.environment;
  const { MCP_PORT } = mcpServer.environment;
  const servers = [
    new ServerProcess('MCP server', 'mcp-server/dist/main.js', {
      ...mcpServer.variables,
      // Its own one, in place of the root key.
      INTERNAL_API_KEY: '',
      INTERNAL_API_KEY_FILE: MCP_SERVER_KEY_FILE,
    }),
    new ServerProcess('backend', 'dist/main.js', backend.variables),
  ] as const;
  try {
    await Promise.all([
      servers[0].ready(`${localUrl(HOST, MCP_PORT)}/health/ready`, signal),
      servers[1].ready(`${localUrl(HOST, PORT)}/api/health/ready`, signal),
    ]);
    const usage = await describeUsage(configuration, hasRootKeyFile);
    signal.throwIfAborted();
    console.log(usage);
    const stopped = once(signal, 'abort').then(() => undefined);
    const problem = await Promise.race([stopped, ...servers.map(({ ended }) => ended)]);
    if (problem !== undefined) throw new Error(problem);
  } finally {
    for (const server of servers) await server.stop();
  }
}

async function prepareDatabase(
  { variables, environment }: Configuration['backend'],
  signal: AbortSignal,
): Promise<void> {
  const { DATABASE_URL, NODE_ENV } = environment;
  if (await hasPendingMigrations(DATABASE_URL)) {
    await step('Migrate the database', signal, () =>
      runTool(
        'prisma/build/index.js',
        ['migrate', 'deploy'],
        { ...variables, DATABASE_URL, DATABASE_URL_FILE: '' },
        signal,
      ),
    );
  }
  if (NODE_ENV !== 'production' && !(await hasUsers(DATABASE_URL))) {
    await step('Add demo users', signal, () => seed(DATABASE_URL));
  }
}

async function prepareMcpServerKey(
  { variables, environment: { DATABASE_URL } }: Configuration['backend'],
  signal: AbortSignal,
): Promise<void> {
  const commandVariables = { ...variables, DATABASE_URL, DATABASE_URL_FILE: '' };
  const key = await findMcpServerKey(DATABASE_URL);
  if (key === undefined) {
    await step('Issue the MCP server’s key', signal, () => issueMcpServerKey(commandVariables));
  } else if (!fitsMcpServer(key)) {
    await step('Replace the MCP server’s key', signal, () =>
      replaceMcpServerKey(commandVariables, key),
    );
  }
}
