import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, hasEnded } from '../child-process.js';
import { stopping } from './step.js';

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;
const END_WITH_PARENT = new URL('end-with-parent.mjs', import.meta.url);

/** A built server as a child process. */
export class ServerProcess {
  /** Resolves when the server has ended, to a sentence with its exit code or signal. */
  readonly ended: Promise<string>;
  private readonly server: ChildProcess;

  constructor(
    private readonly name: string,
    script: string,
    variables: NodeJS.ProcessEnv,
  ) {
    // In a session of its own: a terminal's Ctrl-C reaches npm start only, which stops it in order.
    this.server = spawn(process.execPath, ['--import', END_WITH_PARENT.href, script], {
      // All variables are given: the server must not read more of .env by itself.
      env: { ...variables, ENV_FILES: 'off' },
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.ended = once(this.server, 'exit').then(
      ([code, signal]) => `The ${name} ended by itself (${String(signal ?? code)}).`,
    );
  }

  /** Resolves when the URL responds. @throws Error if the server ends or takes too long */
  async ready(url: string): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (performance.now() < deadline) {
      stopping.signal.throwIfAborted();
      if (hasEnded(this.server)) throw new Error(await this.ended);
      const attempt = { headers: { connection: 'close' }, signal: AbortSignal.timeout(2_000) };
      const response = await fetch(url, attempt).catch(() => undefined);
      if (response?.ok) return;
      await sleep(50);
    }
    throw new Error(`The ${this.name} was not ready within ${READY_TIMEOUT_MS / 1000} s.`);
  }

  /** Lets the server finish the requests in flight. */
  stop(): Promise<void> {
    return endProcess(this.server, 'SIGTERM', STOP_TIMEOUT_MS, 'SIGKILL');
  }
}
