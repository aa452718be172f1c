import { stat } from 'node:fs/promises';
import { runNode } from './step.js';

const CLIENT = 'src/generated/prisma/client.ts';
const BUNDLE = 'mcp-server/dist/bundle/stdio.js';
const COMPILED = ['dist/.tsbuildinfo', 'mcp-server/dist/.tsbuildinfo'];
const PROJECTS = ['mcp-server/tsconfig.build.json', 'tsconfig.build.json'];

/**
 * Generates the Prisma client, compiles the servers and bundles them. Returns false if no source
 * file has changed since the last build.
 */
export async function build(variables: NodeJS.ProcessEnv): Promise<boolean> {
  if (await isOlder(CLIENT, ['prisma/schema.prisma', 'package-lock.json'])) {
    await runNode(['node_modules/prisma/build/index.js', 'generate'], variables);
  }
  // `--noCheck` halves the time; `npm run build` checks the types.
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

/** Returns a file's time of change in ms since the epoch; 0 if the file does not exist. */
async function changedAt(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}
