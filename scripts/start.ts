/** `npm start`: prepares a checkout step by step and runs both servers until Ctrl-C. */
import { once } from 'node:events';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { build } from './start/build.js';
import {
  checkPortsAreFree,
  configureServers,
  localUrl,
  type Configuration,
} from './start/configuration.js';
import { prepareDatabase } from './start/database.js';
import { prepareVariables, saveVariables } from './start/environment.js';
import { MCP_SERVER_KEY_FILE, prepareMcpServerKey } from './start/mcp-server-key.js';
import { ServerProcess } from './start/server-process.js';
import { step, stopping } from './start/step.js';
import { describeUsage } from './start/usage.js';

const { signal } = stopping;
// Not `once`: a repeated signal would end this process before its children.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => stopping.abort());

try {
  await start();
} catch (error) {
  if (!signal.aborted) {
    console.error(`✗ ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

async function start(): Promise<void> {
  const variables = await prepareVariables();
  const isEmbedded = !variables.DATABASE_URL && !variables.DATABASE_URL_FILE;
  if (isEmbedded && variables.NODE_ENV === 'production') {
    throw new Error('npm start provides no database in production: set DATABASE_URL.');
  }
  await checkPortsAreFree(variables);
  await step('Build', () => build(variables));
  if (isEmbedded) await serveEmbedded(variables);
  else await serve(await configureServers(variables));
}

async function serveEmbedded(variables: NodeJS.ProcessEnv): Promise<void> {
  // Reports invalid variables before PostgreSQL starts. Until then, its URL is a placeholder.
  await configureServers({ ...variables, DATABASE_URL: 'postgresql://127.0.0.1' });
  const postgres = await step('Start PostgreSQL', () => EmbeddedPostgres.start());
  try {
    await serve(await configureServers({ ...variables, DATABASE_URL: postgres.url }));
  } finally {
    await postgres.stop();
  }
}

async function serve(configuration: Configuration): Promise<void> {
  const { backend, mcpServer } = configuration;
  const { HOST, PORT, DATABASE_URL, NODE_ENV } = backend.environment;
  // The commands below get all these variables, and must not read .env themselves.
  const variables = { ...backend.variables, DATABASE_URL, DATABASE_URL_FILE: '', ENV_FILES: 'off' };
  await prepareDatabase(variables, DATABASE_URL);
  await prepareMcpServerKey(variables, DATABASE_URL);
  const rootKey = NODE_ENV === 'production' ? '<key>' : await saveVariables(backend);
  signal.throwIfAborted();
  const servers = [
    new ServerProcess('MCP server', 'mcp-server/dist/bundle/main.js', {
      ...mcpServer.variables,
      // The MCP server gets its own API key instead of the root key.
      INTERNAL_API_KEY: '',
      INTERNAL_API_KEY_FILE: MCP_SERVER_KEY_FILE,
    }),
    new ServerProcess('backend', 'dist/bundle/main.js', backend.variables),
  ] as const;
  try {
    await Promise.all([
      servers[0].ready(`${localUrl(HOST, mcpServer.environment.MCP_PORT)}/health/ready`),
      servers[1].ready(`${localUrl(HOST, PORT)}/api/health/ready`),
    ]);
    const usage = await describeUsage(configuration, rootKey);
    signal.throwIfAborted();
    console.log(usage);
    const stopped = once(signal, 'abort').then(() => undefined);
    const problem = await Promise.race([stopped, ...servers.map(({ ended }) => ended)]);
    if (problem !== undefined) throw new Error(problem);
  } finally {
    for (const server of servers) await server.stop();
  }
}
