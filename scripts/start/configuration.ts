import { findListenError } from '../free-port.js';

// The servers' own defaults, which can't be imported before the servers are built.
const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORTS = { PORT: '3000', MCP_PORT: '3001' };
// Neither the database's variables nor keys that only the backend checks.
const MCP_SERVER_VARIABLE =
  /^(HOST|LOG_LEVEL|DRAIN_SECONDS|TZ|INTERNAL_API_KEY|INTERNAL_API_KEY_FILE|METRICS_HOST|TRUSTED_PROXIES|(NODE|JWT|BACKEND|OTEL)_\w+|MCP_(?!ACCESS_TOKEN)\w+)$/;

export type Configuration = Awaited<ReturnType<typeof configureServers>>;

/**
 * The variables of each server, and the environment that it parses from them.
 * @throws EnvironmentError if a server would not start
 */
export async function configureServers(variables: NodeJS.ProcessEnv) {
  // Imported here, after the build of a fresh checkout.
  const backend = await import('../../src/config/environment.js');
  const mcpServer = await import('../../mcp-server/src/config/environment.js');
  const environment = backend.parseEnvironment(variables);
  const kept = Object.entries(variables).filter(([name]) => MCP_SERVER_VARIABLE.test(name));
  const mcpVariables: NodeJS.ProcessEnv = {
    ...Object.fromEntries(kept),
    BACKEND_API_URL: variables.BACKEND_API_URL || localUrl(environment.HOST, environment.PORT),
  };
  return {
    backend: { variables, environment },
    mcpServer: { variables: mcpVariables, environment: mcpServer.parseEnvironment(mcpVariables) },
  };
}

/** @throws Error with one sentence, if the servers could not listen */
export async function checkPortsAreFree(variables: NodeJS.ProcessEnv): Promise<void> {
  const host = variables.HOST || DEFAULT_HOST;
  const PORT = Number(variables.PORT || DEFAULT_PORTS.PORT);
  const MCP_PORT = Number(variables.MCP_PORT || DEFAULT_PORTS.MCP_PORT);
  if (PORT === MCP_PORT) throw new Error('PORT and MCP_PORT must differ: correct them in .env.');
  for (const [variable, port] of Object.entries({ PORT, MCP_PORT })) {
    if (port === 0) throw new Error(`${variable} must not be 0 here: set a fixed port in .env.`);
    // The validation of the configuration reports an invalid port.
    if (!Number.isInteger(port) || port > 65_535) continue;
    const code = await findListenError(port, host);
    if (code === undefined) continue;
    throw new Error(
      code === 'EADDRINUSE'
        ? `Port ${port} is taken: stop the other program or set ${variable} in .env.`
        : `${host}:${port} can't be listened on (${code}): set HOST and ${variable} in .env.`,
    );
  }
}

/** The URL at which a program on this machine reaches a server that listens there. */
export function localUrl(host: string, port: number): string {
  const reachable = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
