import { readdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from './step.js';

const BUILT = 'dist/main.js';
const SOURCES = ['src', 'prisma/schema.prisma', 'package-lock.json', 'nest-cli.json'];
const COMPILER_SETTINGS = ['tsconfig.json', 'tsconfig.build.json'];

/** Whether anything that the build is made of has changed since, or there is none. */
export async function isBuildOutdated(): Promise<boolean> {
  const built = await stat(BUILT).catch(() => undefined);
  if (built === undefined) return true;
  const times = await Promise.all([...SOURCES, ...COMPILER_SETTINGS].map(lastChange));
  return Math.max(...times) > built.mtimeMs;
}

/** Generates the Prisma client and compiles the backend. */
export async function build(variables: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  await runTool('prisma/build/index.js', ['generate'], variables, signal);
  const began = new Date();
  await runTool('@nestjs/cli/bin/nest.js', ['build'], variables, signal);
  // The compiler leaves files alone that come out the same; changes made meanwhile count as new.
  await utimes(BUILT, began, began);
}

/** Milliseconds since the epoch. A folder's own time tells of what was removed from it. */
async function lastChange(path: string): Promise<number> {
  // The client is generated from the schema, in the build itself.
  if (path === join('src', 'generated')) return 0;
  const found = await stat(path);
  if (!found.isDirectory()) return found.mtimeMs;
  const names = await readdir(path);
  const times = await Promise.all(names.map((name) => lastChange(join(path, name))));
  return Math.max(found.mtimeMs, ...times);
}
