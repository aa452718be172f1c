import { PrismaPg } from '@prisma/adapter-pg';
import { afterAll, beforeAll } from 'vitest';
import { PrismaClient } from '../../../src/generated/prisma/client.js';
import { createTestDatabase } from '../../../test/support/database.js';
import type { ServerProcess } from '../../../test/support/server-process.js';
import { startBackend, startMcp } from './servers.js';

export interface Stack {
  readonly backend: ServerProcess;
  readonly mcp: ServerProcess;
  /** Inserts and reads test data. */
  readonly prisma: PrismaClient;
}

/**
 * Starts a real backend with its own database, and a real MCP server that calls it, for the tests
 * of a file.
 */
export function useStack(
  mcpVariables: NodeJS.ProcessEnv = {},
  backendVariables: NodeJS.ProcessEnv = {},
): Stack {
  let running: Stack & { stop(): Promise<void> };
  beforeAll(async () => {
    const database = await createTestDatabase();
    const prisma = new PrismaClient({ adapter: new PrismaPg(database.url) });
    const backend = await startBackend({ DATABASE_URL: database.runTimeUrl, ...backendVariables });
    const mcp = await startMcp({ BACKEND_API_URL: backend.origin, ...mcpVariables });
    const stop = async () => {
      await mcp.stop();
      await backend.stop();
      await prisma.$disconnect();
      await database.drop();
    };
    running = { backend, mcp, prisma, stop };
  });
  afterAll(() => running.stop());
  return {
    get backend() {
      return running.backend;
    },
    get mcp() {
      return running.mcp;
    },
    get prisma() {
      return running.prisma;
    },
  };
}
