import { stat } from 'node:fs/promises';
import { runNode } from './step.js';

const CLIENT = 'src/generated/prisma/client.ts';
const PROJECTS = ['mcp-server/tsconfig.build.json', 'tsconfig.build.json'];

/** Generates the Prisma client and compiles both servers; false if their sources are unchanged. */
export async function build(variables: NodeJS.ProcessEnv): Promise<boolean> {
  const isOutdated = await isClientOutdated();
  if (isOutdated) await runNode(['node_modules/prisma/build/index.js', 'generate'], variables);
  // Skips the type check, which takes half of the time; `npm run build` does it.
  const compile = ['--build', '--noCheck', '--listEmittedFiles', ...PROJECTS];
  const emitted = await runNode(['node_modules/typescript/bin/tsc', ...compile], variables);
  return isOutdated || emitted !== '';
}

async function isClientOutdated(): Promise<boolean> {
  const [client = 0, ...sources] = await Promise.all(
    [CLIENT, 'prisma/schema.prisma', 'package-lock.json'].map(changedAt),
  );
  return client < Math.max(...sources);
}

/** Milliseconds since the epoch; 0 for a file that does not exist. */
async function changedAt(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}
