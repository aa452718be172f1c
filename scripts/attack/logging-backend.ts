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
    const own = {
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_PORT: '0',
      METRICS_HOST: '127.0.0.1',
      LOG_LEVEL: 'info',
    };
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

  origin(): Promise<string> {
    return this.says(/Server listening at (http:\/\/[\d.:]+)/);
  }

  /** Where its metrics are. */
  metricsUrl(): Promise<string> {
    return this.says(/Metrics are at (http:[^"]+)/);
  }

  private async says(pattern: RegExp): Promise<string> {
    for (;;) {
      const [, found] = pattern.exec(this.log) ?? [];
      if (found !== undefined) return found;
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
