import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, vi } from 'vitest';
import { clusterDirectory } from '../../scripts/embedded-postgres.js';

const LOCAL = ['.git', 'node_modules', 'coverage', 'reports', '.data', '.env'];
const BUILT = ['dist', 'generated'];
export const CLIENT_CONFIGURATION = /^\{\n[^]*^\}$/m;

/**
 * A copy of the checkout as a newcomer has it, which other accounts can't enter.
 * @param isBuilt whether it contains what `npm run build` has made
 */
export async function makeCheckout(isBuilt = false): Promise<string> {
  const checkout = await mkdtemp(join(tmpdir(), 'latchkey-checkout-'));
  await copyCheckout(checkout, isBuilt);
  await linkPackages(join(process.cwd(), 'node_modules'), join(checkout, 'node_modules'));
  return checkout;
}

export async function copyCheckout(folder: string, isBuilt = false): Promise<void> {
  const excluded = new Set(isBuilt ? LOCAL : [...LOCAL, ...BUILT]);
  const filter = (path: string) => !excluded.has(basename(path));
  await cp('.', folder, { recursive: true, filter, preserveTimestamps: true });
}

/**
 * As `npm ci` leaves them: those of the registry, and links to the checkout's own, not yet built.
 */
async function linkPackages(installed: string, folder: string): Promise<void> {
  await mkdir(join(folder, '@latchkey'), { recursive: true });
  const names = (await readdir(installed)).filter((name) => name !== '@latchkey');
  await Promise.all(names.map((name) => symlink(join(installed, name), join(folder, name))));
  for (const name of await readdir(join(installed, '@latchkey'))) {
    const target = await readlink(join(installed, '@latchkey', name));
    await symlink(target, join(folder, '@latchkey', name));
  }
}

export async function removeCheckout(checkout: string): Promise<void> {
  await rm(clusterDirectory(checkout), { recursive: true, force: true });
  await rm(checkout, { recursive: true });
}

/** `npm start` as a terminal runs it: a process group of its own. */
export class Start {
  readonly port = randomInt(10_000, 20_000);
  readonly mcpPort = this.port + 10_000;
  readonly exited: Promise<unknown>;
  output = '';
  private readonly npm: ChildProcess;

  constructor(checkout: string, variables: NodeJS.ProcessEnv = {}) {
    const { PATH, HOME } = process.env;
    this.npm = spawn('npm', ['start', '--silent'], {
      cwd: checkout,
      detached: true,
      env: {
        PATH,
        HOME,
        PORT: `${this.port}`,
        MCP_PORT: `${this.mcpPort}`,
        LOG_LEVEL: 'warn',
        ...variables,
      },
    });
    this.npm.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.npm.stderr?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.exited = once(this.npm, 'close');
  }

  get exitCode(): number | null {
    return this.npm.exitCode;
  }

  async ready(): Promise<this> {
    const isOver = () => CLIENT_CONFIGURATION.test(this.output) || this.exitCode !== null;
    await vi.waitUntil(isOver, { timeout: 120_000 });
    expect(this.output).toMatch(CLIENT_CONFIGURATION);
    return this;
  }

  /** The line of the output that is meant to be pasted. */
  line(pattern: RegExp): string {
    return pattern.exec(this.output)?.[0] ?? '';
  }

  /** To the whole group, as Ctrl-C in a terminal does. */
  async signal(name: NodeJS.Signals): Promise<void> {
    const hasEnded = this.npm.exitCode !== null || this.npm.signalCode !== null;
    if (this.npm.pid !== undefined && !hasEnded) process.kill(-this.npm.pid, name);
    await this.exited;
  }
}
