import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CHECKOUT } from './checkout.js';
import { NESTJS_PRISMA, NEXTJS_PRISMA, type Peer } from './peers.js';

const BUILT = [
  'dist/bundle/main.js',
  'mcp-server/dist/bundle/main.js',
  'src/generated/prisma/client.ts',
];

/** @throws Error if Latchkey has not been built */
export function checkBuild(): void {
  const absent = BUILT.filter((path) => !existsSync(join(CHECKOUT, path)));
  if (absent.length > 0) throw new Error(`Missing: ${absent.join(', ')}. Run npm run build first.`);
}

/** Installs the packages of bench/package-lock.json unless they are up to date. */
export async function installDependencies(): Promise<void> {
  const [installed, lock] = await Promise.all(
    ['bench/node_modules/.package-lock.json', 'bench/package-lock.json'].map(lastChange),
  );
  if (installed === undefined || lock === undefined || installed < lock) {
    await run('npm', ['ci', '--prefix', 'bench']);
  }
}

/** Builds the peers. */
export async function buildPeers(peers: readonly Peer[]): Promise<void> {
  if (peers.includes(NESTJS_PRISMA) || peers.includes(NEXTJS_PRISMA)) {
    await runPackage('prisma/build/index.js', [
      'generate',
      '--schema',
      'bench/peers/schema.prisma',
    ]);
  }
  await runPackage('typescript/bin/tsc', ['--project', 'bench/tsconfig.build.json']);
  if (peers.includes(NEXTJS_PRISMA)) {
    const script = join(CHECKOUT, 'bench/node_modules/next/dist/bin/next');
    await run(process.execPath, [script, 'build', 'bench/peers/nextjs-prisma']);
  }
}

function runPackage(script: string, args: string[]): Promise<void> {
  return run(process.execPath, [join(CHECKOUT, 'node_modules', script), ...args]);
}

async function run(program: string, args: string[]): Promise<void> {
  const variables = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };
  try {
    await promisify(execFile)(program, args, { cwd: CHECKOUT, env: variables });
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? `\n${String(error.stdout)}` : '';
    throw new Error(`${program} ${args.join(' ')} failed.${output}`, { cause: error });
  }
}

async function lastChange(path: string): Promise<number | undefined> {
  const found = await stat(join(CHECKOUT, path)).catch(() => undefined);
  return found?.mtimeMs;
}
