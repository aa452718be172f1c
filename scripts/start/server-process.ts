import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;
const END_WITH_PARENT = new URL('end-with-parent.mjs', import.meta.url);

/** A built server as a child process. */
export class ServerProcess {
  private constructor(
    private readonly name: string,
    private readonly server: ChildProcess,
    /** Resolves when it has ended, to a sentence with its exit code or signal. */
    readonly ended: Promise<string>,
  ) {}

  /** `name` is what sentences call it. */
  static start(name: string, script: string, variables: NodeJS.ProcessEnv): ServerProcess {
    const args = ['--import', END_WITH_PARENT.href, script];
    // In a session of its own: a terminal's Ctrl-C is for us, who then stop it in order.
    const server = spawn(process.execPath, args, {
      env: variables,
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const ended = once(server, 'exit').then(
      ([code, signal]) => `The ${name} ended by itself (${String(signal ?? code)}).`,
    );
    return new ServerProcess(name, server, ended);
  }

  /** Resolves when `url` answers that it is ready; throws if it ends or takes too long. */
  async ready(url: string, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (performance.now() < deadline) {
      signal.throwIfAborted();
      if (this.hasEnded()) throw new Error(await this.ended);
      if (await isReady(url)) return;
      await sleep(50);
    }
    throw new Error(`The ${this.name} was not ready within ${READY_TIMEOUT_MS / 1000} s.`);
  }

  /** Lets it finish the requests in progress; resolves when it has ended. */
  async stop(): Promise<void> {
    if (this.hasEnded()) return;
    this.server.kill('SIGTERM');
    const impatience = setTimeout(() => this.server.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.ended;
    clearTimeout(impatience);
  }

  private hasEnded(): boolean {
    return this.server.exitCode !== null || this.server.signalCode !== null;
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const { ok } = await fetch(url, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(2_000),
    });
    return ok;
  } catch {
    return false;
  }
}
