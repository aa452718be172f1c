import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { vi } from 'vitest';
import { JWT_SECRET } from '../../mcp-server/test/support/tokens.js';
import { API_KEY } from '../support/app.js';

/** Creates the MCP server in this process. It listens on its metrics port only. */
export async function createMcpServer(): Promise<NestFastifyApplication> {
  const variables = {
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    INTERNAL_API_KEY: API_KEY,
    JWT_SECRET,
    MCP_METRICS_PORT: '0',
  };
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  try {
    // The module reads the environment when it is imported.
    const { createApp } = await import('../../mcp-server/src/create-app.js');
    const { parseEnvironment } = await import('../../mcp-server/src/config/environment.js');
    return await (await createApp(parseEnvironment(process.env))).init();
  } finally {
    vi.unstubAllEnvs();
  }
}
