import { readdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from './step.js';

const BUILT = 'dist/main.js';
const SETTINGS = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];

/** Whether anything that the build is made of has changed since, or a part of it is missing. */
export async function isBuildOutdated(): Promise<boolean> {
  const packages = await packageFolders();
  const outputs = [BUILT, 'mcp-server/dist/main.js', ...packages.map((path) => `${path}/dist`)];
  const found = await Promise.all(outputs.map((path) => stat(path).catch(() => undefined)));
  const [built] = found;
  if (built === undefined || found.includes(undefined)) return true;
  const parts = ['mcp-server', ...packages].flatMap((path) => [
    `${path}/src`,
    `${path}/package.json`,
    `${path}/tsconfig.build.json`,
  ]);
  const sources = ['src', 'prisma/schema.prisma', ...SETTINGS, ...parts];
  const times = await Promise.all(sources.map(lastChange));
  return Math.max(...times) > built.mtimeMs;
}

/** Compiles what the servers share, and generates the Prisma client. */
export async function buildPackages(
  variables: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  const projects = (await packageFolders()).map((path) => `${path}/tsconfig.build.json`);
  await Promise.all([
    compile(projects, variables, signal),
    runTool('prisma/build/index.js', ['generate'], variables, signal),
  ]);
}

/** Compiles the backend and the MCP server. */
export async function buildServers(
  variables: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  const began = new Date();
  await compile(['tsconfig.build.json', 'mcp-server/tsconfig.build.json'], variables, signal);
  // The compiler leaves files alone that come out the same; changes made meanwhile count as new.
  await utimes(BUILT, began, began);
}

/** Half as long without the types' check, which `npm run build` makes up for. */
function compile(
  projects: string[],
  variables: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  return runTool('typescript/bin/tsc', ['--build', '--noCheck', ...projects], variables, signal);
}

async function packageFolders(): Promise<string[]> {
  return (await readdir('packages')).map((name) => `packages/${name}`);
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
