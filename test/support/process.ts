import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const LISTENING = /Server listening at (http:\/\/[\d.:]+)/;

/** `node dist/main.js`, as a container runs it, with nothing in its environment but what is given. */
export class BackendProcess {
  /** Everything it has written so far, to stdout and stderr. */
  output = '';
  private readonly child: ChildProcess;

  constructor(variables: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, [MAIN], {
      env: { PATH: process.env.PATH, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // A test that failed before it stopped this must leave nothing behind.
    process.once('exit', () => this.child.kill('SIGKILL'));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
  }

  /** Its command line, as other users of the machine see it. */
  get commandLine(): string {
    return this.child.spawnargs.join(' ');
  }

  /** Waits until it listens, and answers where. */
  async listening(): Promise<string> {
    for (;;) {
      const url = LISTENING.exec(this.output)?.[1];
      if (url !== undefined) return url;
      if (this.child.exitCode !== null) throw new Error(`The backend ended:\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits until it has ended, and answers with its exit code, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    if (this.child.exitCode === null && this.child.signalCode === null)
      await once(this.child, 'close');
    return this.child.exitCode ?? this.child.signalCode;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.ended();
  }
}
