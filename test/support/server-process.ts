import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const LISTENING = /Server listening at (http:\/\/[\d.:]+)/;
const START_TIMEOUT_MS = 30_000;

export const BACKEND_MAIN = fileURLToPath(new URL('../../dist/bundle/main.js', import.meta.url));

/** Variables that `usedMegabytes` requires. */
export const REPORTS_MEMORY = {
  NODE_OPTIONS: `--expose-gc --import=${new URL('report-memory.mjs', import.meta.url).href}`,
};

/** A built server that runs with only the given environment variables, as in a container. */
export class ServerProcess {
  /** The output so far, on stdout and stderr. */
  output = '';
  private readonly child: ChildProcess;

  private constructor(
    main: string,
    private readonly variables: NodeJS.ProcessEnv,
    launcher: readonly string[] = [],
  ) {
    const [program, ...args] = [...launcher, process.execPath, main];
    this.child = spawn(program, args, {
      env: { PATH: process.env.PATH, ENV_FILES: 'off', ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // At the end of the tests, kills a server that a failed test did not stop.
    const kill = () => void this.child.kill('SIGKILL');
    process.once('exit', kill);
    this.child.once('exit', () => process.off('exit', kill));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
  }

  /**
   * Starts a server and waits until it listens. The launcher is a command that executes the command
   * in its arguments.
   */
  static async start(
    main: string,
    variables: NodeJS.ProcessEnv,
    launcher: readonly string[] = [],
  ): Promise<ServerProcess> {
    // The variable `WITHOUT` makes a preloaded script replace methods of modules in `dist`. The
    // bundle does not import these modules, so the server starts from `dist/main.js`.
    const script = variables.WITHOUT === undefined ? main : main.replace('/bundle/', '/');
    const started = new ServerProcess(script, variables, launcher);
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await started.listens())) {
      if (started.hasEnded || performance.now() > deadline) {
        throw new Error(`The server did not start:\n${started.output}`);
      }
      await sleep(20);
    }
    return started;
  }

  /** Starts a server that is expected to exit, and returns its exit code and output. */
  static async refusal(
    main: string,
    variables: NodeJS.ProcessEnv,
  ): Promise<{ code: number | null; output: string }> {
    const started = new ServerProcess(main, variables);
    await once(started.child, 'close');
    return { code: started.child.exitCode, output: started.output };
  }

  /** The command line, which other users of the machine can see. */
  get commandLine(): string {
    return this.child.spawnargs.join(' ');
  }

  get origin(): string {
    const { PORT = '0' } = this.variables;
    return PORT === '0' ? (LISTENING.exec(this.output)?.[1] ?? '') : `http://127.0.0.1:${PORT}`;
  }

  /** The URL of the MCP endpoint. */
  get url(): URL {
    return new URL('/mcp', this.origin);
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The exit code; null before the exit or after a signal. */
  get exitCode(): number | null {
    return this.child.exitCode;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The number of open file descriptors. */
  openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /**
   * The memory in use after a garbage collection, in MB. The process must have `REPORTS_MEMORY`.
   */
  async usedMegabytes(): Promise<number> {
    const reports = () => [...this.output.matchAll(/memory in use: (\d+)/g)];
    const seen = reports().length;
    this.child.kill('SIGWINCH');
    while (reports().length === seen) {
      if (this.hasEnded) throw new Error(`The server ended:\n${this.output}`);
      await sleep(10);
    }
    return Number(reports().at(-1)?.[1]) / 1024 ** 2;
  }

  /** The resident memory in MB: the present value and the peak. */
  residentMegabytes(): { now: number; peak: number } {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    const read = (field: string) =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
    return { now: read('VmRSS'), peak: read('VmHWM') };
  }

  /** Whether the server listens. If PORT is 0, only the log states the port. */
  private async listens(): Promise<boolean> {
    if (this.origin === '') return false;
    const socket = connect(Number(new URL(this.origin).port), '127.0.0.1');
    const connected = await once(socket, 'connect').catch(() => undefined);
    socket.destroy();
    return connected !== undefined;
  }

  /** Sends a signal and returns immediately. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Shuts the server down, gracefully or with SIGKILL, and resolves after its exit. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.hasEnded) return;
    this.child.kill(signal);
    await once(this.child, 'close');
  }
}
