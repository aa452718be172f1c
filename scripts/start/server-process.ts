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
  /** Resolves when the server has ended. The value is a sentence with the exit code or signal. */
  readonly ended: Promise<string>;
  private readonly server: ChildProcess;

  constructor(
    private readonly name: string,
    script: string,
    variables: NodeJS.ProcessEnv,
  ) {
    // Detached, so that Ctrl-C reaches only npm start, which stops its children in order.
    this.server = spawn(process.execPath, ['--import', END_WITH_PARENT.href, script], {
      // The server gets all variables here and must not read .env itself.
      env: { ...variables, ENV_FILES: 'off' },
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.ended = once(this.server, 'exit').then(
      ([code, signal]) => `The ${name} ended unexpectedly (${String(signal ?? code)}).`,
    );
  }

  /** Resolves when the URL responds with 2xx. @throws Error if the server ends or takes too long */
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
    throw new Error(
      `The ${this.name} was not ready within ${READY_TIMEOUT_MS / 1000} s: see its log.`,
    );
  }

  /** Stops the server after it has finished the requests in flight, or after 20 s. */
  stop(): Promise<void> {
    return endProcess(this.server, 'SIGTERM', STOP_TIMEOUT_MS, 'SIGKILL');
  }
}
