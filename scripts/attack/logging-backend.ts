import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BACKEND = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** A backend on a port of its own, whose log is kept. */
export class LoggingBackend {
  private readonly chunks: string[] = [];
  private readonly child: ChildProcess;

  constructor() {
    const own = { HOST: '127.0.0.1', PORT: '0', METRICS_PORT: '', LOG_LEVEL: 'info' };
    this.child = spawn(process.execPath, [BACKEND], {
      env: { ...process.env, ...own },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    process.once('exit', () => this.child.kill());
    this.child.stdout?.on('data', (chunk: Buffer) => this.chunks.push(chunk.toString()));
  }

  get log(): string {
    return this.chunks.join('');
  }

  async origin(): Promise<string> {
    for (;;) {
      const [, origin] = /Server listening at (http:\/\/[\d.:]+)/.exec(this.log) ?? [];
      if (origin !== undefined) return origin;
      if (this.child.exitCode !== null) throw new Error(`The backend ended:\n${this.log}`);
      await sleep(20);
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.kill();
    await once(this.child, 'exit');
  }
}
