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
 * Copies the checkout, without local files, to a folder that other accounts cannot enter.
 * @param isBuilt whether the copy includes the output of `npm run build`
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
 * Links packages as `npm ci` does: `@latchkey` packages to the copy of the checkout, and all other
 * packages to the installed packages.
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

/** A run of `npm start` in a separate process group, as in a terminal. */
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
    const isReadyOrExited = () => CLIENT_CONFIGURATION.test(this.output) || this.exitCode !== null;
    await vi.waitUntil(isReadyOrExited, { timeout: 120_000 });
    expect(this.output).toMatch(CLIENT_CONFIGURATION);
    return this;
  }

  /** The first part of the output that matches the pattern. */
  line(pattern: RegExp): string {
    return pattern.exec(this.output)?.[0] ?? '';
  }

  /** Sends a signal to the whole group, like Ctrl-C in a terminal. */
  async signal(name: NodeJS.Signals): Promise<void> {
    const hasEnded = this.npm.exitCode !== null || this.npm.signalCode !== null;
    if (this.npm.pid !== undefined && !hasEnded) process.kill(-this.npm.pid, name);
    await this.exited;
  }
}
