import { findListenError } from '../free-port.js';

// Copies of the servers' defaults, because the servers cannot be imported before the build.
const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORTS = { PORT: '3000', MCP_PORT: '3001' };
// The variables that the MCP server gets. It gets neither database URLs nor the backend's keys.
const MCP_SERVER_VARIABLE =
  /^(HOST|LOG_LEVEL|DRAIN_SECONDS|TZ|INTERNAL_API_KEY|INTERNAL_API_KEY_FILE|METRICS_HOST|TRUSTED_PROXIES|(NODE|JWT|BACKEND|OTEL)_\w+|MCP_(?!ACCESS_TOKEN)\w+)$/;

export type Configuration = Awaited<ReturnType<typeof configureServers>>;

/**
 * Returns the variables of each server, and the environment that the server will parse from them.
 * @throws EnvironmentError if the variables of a server are invalid
 */
export async function configureServers(variables: NodeJS.ProcessEnv) {
  // Imported here, because in a fresh checkout these modules work only after the build.
  const backend = await import('../../src/config/environment.js');
  const mcpServer = await import('../../mcp-server/src/config/environment.js');
  const environment = backend.parseEnvironment(variables);
  const passed = Object.entries(variables).filter(([name]) => MCP_SERVER_VARIABLE.test(name));
  const mcpVariables: NodeJS.ProcessEnv = {
    ...Object.fromEntries(passed),
    BACKEND_API_URL: variables.BACKEND_API_URL || localUrl(environment.HOST, environment.PORT),
  };
  return {
    backend: { variables, environment },
    mcpServer: { variables: mcpVariables, environment: mcpServer.parseEnvironment(mcpVariables) },
  };
}

/** @throws Error with one sentence if a server could not listen on its port */
export async function checkPortsAreFree(variables: NodeJS.ProcessEnv): Promise<void> {
  const host = variables.HOST || DEFAULT_HOST;
  const PORT = Number(variables.PORT || DEFAULT_PORTS.PORT);
  const MCP_PORT = Number(variables.MCP_PORT || DEFAULT_PORTS.MCP_PORT);
  if (PORT === MCP_PORT) throw new Error('PORT and MCP_PORT must differ: correct them in .env.');
  for (const [variable, port] of Object.entries({ PORT, MCP_PORT })) {
    if (port === 0)
      throw new Error(`npm start does not support ${variable}=0: set a fixed port in .env.`);
    // `configureServers` reports an invalid port later.
    if (!Number.isInteger(port) || port > 65_535) continue;
    const code = await findListenError(port, host);
    if (code === undefined) continue;
    throw new Error(
      code === 'EADDRINUSE'
        ? `Port ${port} is taken: stop the other program or set ${variable} in .env.`
        : `Cannot listen on ${host}:${port} (${code}): correct HOST or ${variable} in .env.`,
    );
  }
}

/** Returns the URL at which a program on this machine reaches a server on `host` and `port`. */
export function localUrl(host: string, port: number): string {
  const reachable = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
