import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const LISTENING = /Server listening at (http:\/\/[\d.:]+)/;
const START_TIMEOUT_MS = 30_000;

export const BACKEND_MAIN = fileURLToPath(new URL('../../dist/bundle/main.js', import.meta.url));

/** Lets `usedMegabytes` work. */
export const REPORTS_MEMORY = {
  NODE_OPTIONS: `--expose-gc --import=${new URL('report-memory.mjs', import.meta.url).href}`,
};

/** A built server, as a container runs it, with nothing in its environment but what is given. */
export class ServerProcess {
  /** Everything it has written so far, to stdout and stderr. */
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
    // A test that failed before it stopped this must leave nothing behind.
    const kill = () => void this.child.kill('SIGKILL');
    process.once('exit', kill);
    this.child.once('exit', () => process.off('exit', kill));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
  }

  /**
   * Starts one and waits until it listens. The launcher is a command that becomes the one that
   * follows it.
   */
  static async start(
    main: string,
    variables: NodeJS.ProcessEnv,
    launcher: readonly string[] = [],
  ): Promise<ServerProcess> {
    const started = new ServerProcess(main, variables, launcher);
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await started.listens())) {
      if (started.hasEnded || performance.now() > deadline) {
        throw new Error(`The server did not start:\n${started.output}`);
      }
      await sleep(20);
    }
    return started;
  }

  /** Starts one that is expected to refuse, and returns its output. */
  static async refusal(
    main: string,
    variables: NodeJS.ProcessEnv,
  ): Promise<{ code: number | null; output: string }> {
    const started = new ServerProcess(main, variables);
    await once(started.child, 'close');
    return { code: started.child.exitCode, output: started.output };
  }

  /** Its command line, as other users of the machine see it. */
  get commandLine(): string {
    return this.child.spawnargs.join(' ');
  }

  get origin(): string {
    const { PORT = '0' } = this.variables;
    return PORT === '0' ? (LISTENING.exec(this.output)?.[1] ?? '') : `http://127.0.0.1:${PORT}`;
  }

  /** Where an MCP server takes its clients. */
  get url(): URL {
    return new URL('/mcp', this.origin);
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Of a process that has ended by itself; null after a signal. */
  get exitCode(): number | null {
    return this.child.exitCode;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Files, sockets and the like that it has open. */
  openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /**
   * Memory that is still in use after a garbage collection, in MB; for a process with
   * `REPORTS_MEMORY`.
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

  /** The memory that Linux has given it, in MB: at the moment, and the most that it ever had. */
  residentMegabytes(): { now: number; peak: number } {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    const read = (field: string) =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
    return { now: read('VmRSS'), peak: read('VmHWM') };
  }

  /** Without a line in its log if its port was given. */
  private async listens(): Promise<boolean> {
    if (this.origin === '') return false;
    const socket = connect(Number(new URL(this.origin).port), '127.0.0.1');
    const connected = await once(socket, 'connect').catch(() => undefined);
    socket.destroy();
    return connected !== undefined;
  }

  /** Returns at once. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves when it has ended: in order, or at once with SIGKILL. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.hasEnded) return;
    this.child.kill(signal);
    await once(this.child, 'close');
  }
}
