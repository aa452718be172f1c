import { fileURLToPath } from 'node:url';
import { BACKEND_MAIN, ServerProcess } from '../../../test/support/server-process.js';
import { AUDIENCE, JWT_SECRET } from './tokens.js';

const MCP_MAIN = fileURLToPath(new URL('../../dist/bundle/main.js', import.meta.url));

export const API_KEY = 'f1b7c2d94e8a4a0f9c53d1e6b8072a64';

const MCP_VARIABLES = {
  NODE_ENV: 'test',
  MCP_PORT: '0',
  MCP_PUBLIC_URL: AUDIENCE,
  MCP_RATE_LIMIT: '1000000',
  MCP_TOKEN_FAILURE_LIMIT: '1000000',
  INTERNAL_API_KEY: API_KEY,
  JWT_SECRET,
};

export function startMcp(
  variables: NodeJS.ProcessEnv,
  launcher: readonly string[] = [],
): Promise<ServerProcess> {
  return ServerProcess.start(MCP_MAIN, { ...MCP_VARIABLES, ...variables }, launcher);
}

/** Starts an MCP server with invalid variables; returns its exit code and output. */
export function refusalOfMcp(variables: NodeJS.ProcessEnv) {
  return ServerProcess.refusal(MCP_MAIN, { ...MCP_VARIABLES, ...variables });
}

export function startBackend(variables: NodeJS.ProcessEnv): Promise<ServerProcess> {
  const own = { NODE_ENV: 'test', PORT: '0', INTERNAL_API_KEY: API_KEY };
  return ServerProcess.start(BACKEND_MAIN, { ...own, ...variables });
}
