import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pinned } from './cores.js';

const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 5;
const STOP_TIMEOUT_MS = 3000;
// Linux counts CPU time in units of 10 ms on every architecture that Node supports.
const MICROSECONDS_PER_TICK = 10_000;

export interface Command {
  readonly folder: string;
  /** Arguments of `node`. */
  readonly args: readonly string[];
  readonly variables: NodeJS.ProcessEnv;
}

/** A server process that is pinned to the core for servers. Its output goes to a file. */
export class PinnedProcess {
  private readonly startedAt = performance.now();

  private constructor(
    private readonly process: ChildProcess,
    private readonly logFolder: string,
  ) {}

  static async start({ folder, args, variables }: Command): Promise<PinnedProcess> {
    const logFolder = await mkdtemp(join(tmpdir(), 'latchkey-bench-log-'));
    const log = openSync(join(logFolder, 'log'), 'w');
    const [program, programArgs] = pinned('server', [process.execPath, ...args]);
    const child = spawn(program, programArgs, {
      cwd: folder,
      env: variables,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    return new PinnedProcess(child, logFolder);
  }

  /**
   * Resolves to the milliseconds from the start until `isReady` returns true.
   * @throws Error if the process exits or the start times out
   */
  async ready(isReady: () => Promise<boolean>, signal: AbortSignal): Promise<number> {
    while (performance.now() - this.startedAt < READY_TIMEOUT_MS && !this.hasEnded()) {
      signal.throwIfAborted();
      if (await isReady()) return performance.now() - this.startedAt;
      await sleep(READY_POLL_MS);
    }
    throw new Error(`${this.process.spawnargs.join(' ')} is not ready:\n${await this.log()}`);
  }

  /** The CPU time of all threads so far, in microseconds. */
  async cpuMicroseconds(): Promise<number> {
    const stat = await readFile(`/proc/${this.process.pid}/stat`, 'utf8');
    // The program name, in parentheses, may contain spaces. The times are fields 14 and 15.
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13);
    return (Number(user) + Number(system)) * MICROSECONDS_PER_TICK;
  }

  /** The resident memory in megabytes (10⁶ bytes). */
  async residentMegabytes(): Promise<number> {
    const status = await readFile(`/proc/${this.process.pid}/status`, 'utf8');
    return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6;
  }

  async stop(): Promise<void> {
    if (!this.hasEnded()) {
      const ended = once(this.process, 'exit');
      this.process.kill('SIGTERM');
      const killTimer = setTimeout(() => this.process.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(killTimer);
    }
    await rm(this.logFolder, { recursive: true });
  }

  private hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  private async log(): Promise<string> {
    return (await readFile(join(this.logFolder, 'log'), 'utf8')).slice(-2000);
  }
}
