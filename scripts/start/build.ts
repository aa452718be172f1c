import { stat } from 'node:fs/promises';
import { runNode } from './step.js';

const CLIENT = 'src/generated/prisma/client.ts';
const BUNDLE = 'mcp-server/dist/bundle/stdio.js';
const COMPILED = ['dist/.tsbuildinfo', 'mcp-server/dist/.tsbuildinfo'];
const PROJECTS = ['mcp-server/tsconfig.build.json', 'tsconfig.build.json'];

/**
 * Generates the Prisma client, and compiles and bundles the servers. Returns false if their sources
 * are unchanged.
 */
export async function build(variables: NodeJS.ProcessEnv): Promise<boolean> {
  if (await isOlder(CLIENT, ['prisma/schema.prisma', 'package-lock.json'])) {
    await runNode(['node_modules/prisma/build/index.js', 'generate'], variables);
  }
  // Skips the type check, which takes half of the time; `npm run build` does it.
  const compile = ['--build', '--noCheck', '--listEmittedFiles', ...PROJECTS];
  const emitted = await runNode(['node_modules/typescript/bin/tsc', ...compile], variables);
  const isChanged = emitted !== '' || (await isOlder(BUNDLE, COMPILED));
  if (isChanged) await runNode(['scripts/bundle.mjs'], variables);
  return isChanged;
}

async function isOlder(file: string, sources: readonly string[]): Promise<boolean> {
  const [time = 0, ...others] = await Promise.all([file, ...sources].map(changedAt));
  return time < Math.max(...others);
}

/** Milliseconds since the epoch; 0 for a file that does not exist. */
async function changedAt(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}
