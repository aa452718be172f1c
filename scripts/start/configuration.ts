import type { Environment as McpEnvironment } from '../../mcp-server/src/config/environment.js';
import type { Environment as BackendEnvironment } from '../../src/config/environment.js';
import { localUrl } from './address.js';

// Neither the database's variables nor keys that only the backend checks.
const MCP_SERVER_VARIABLE =
  /^(HOST|LOG_LEVEL|DRAIN_SECONDS|TZ|INTERNAL_API_KEY|INTERNAL_API_KEY_FILE|METRICS_HOST|TRUSTED_PROXIES|(NODE|JWT|BACKEND|OTEL)_\w+|MCP_(?!ACCESS_TOKEN)\w+)$/;

/** The variables of a server, and the environment that it parses from them. */
interface ServerConfiguration<Environment> {
  readonly variables: NodeJS.ProcessEnv;
  readonly environment: Environment;
}

export interface Configuration {
  readonly backend: ServerConfiguration<BackendEnvironment>;
  readonly mcpServer: ServerConfiguration<McpEnvironment>;
}

/** Throws an EnvironmentError if a server would not start with its variables. */
export async function configureServers(variables: NodeJS.ProcessEnv): Promise<Configuration> {
  // Not imported above: in a fresh checkout, the packages that these need have only just been built.
  const backend = await import('../../src/config/environment.js');
  const mcpServer = await import('../../mcp-server/src/config/environment.js');
  const environment = backend.parseEnvironment(variables);
  const { HOST, PORT } = environment;
  const mcpVariables = mcpServerVariables(variables, localUrl(HOST, PORT));
  return {
    backend: { variables, environment },
    mcpServer: {
      variables: mcpVariables,
      environment: mcpServer.parseEnvironment(mcpVariables),
    },
  };
}

function mcpServerVariables(variables: NodeJS.ProcessEnv, backendUrl: string): NodeJS.ProcessEnv {
  const own = Object.entries(variables).filter(([name]) => MCP_SERVER_VARIABLE.test(name));
  return {
    ...Object.fromEntries(own),
    BACKEND_API_URL: variables.BACKEND_API_URL || backendUrl,
  };
}
