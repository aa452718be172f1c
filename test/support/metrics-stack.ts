import { startBackend, startMcp } from '../../mcp-server/test/support/servers.js';
import { createTestDatabase } from './database.js';
import type { ServerProcess } from './server-process.js';

export interface MetricsStack {
  readonly backend: ServerProcess;
  readonly mcp: ServerProcess;
  stop(): Promise<void>;
}

/** Starts both servers on a new database, with metrics enabled. */
export async function startMetricsStack(
  backendVariables: NodeJS.ProcessEnv = {},
): Promise<MetricsStack> {
  const database = await createTestDatabase();
  const backend = await startBackend({
    DATABASE_URL: database.url,
    METRICS_PORT: '0',
    ...backendVariables,
  });
  const mcp = await startMcp({
    BACKEND_API_URL: backend.origin,
    BACKEND_FALLBACK: 'off',
    MCP_METRICS_PORT: '0',
  });
  const stop = async () => {
    await mcp.stop();
    await backend.stop();
    await database.drop();
  };
  return { backend, mcp, stop };
}

/** Finds the URL of the metrics in the log of the server. */
export function metricsOf({ output }: ServerProcess): string {
  return /Metrics are at (http:[^"]+)/.exec(output)?.[1] ?? '';
}
