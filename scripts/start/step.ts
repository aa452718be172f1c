import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';

/** Does one step of the start and says how long it took. Does nothing once `signal` is aborted. */
export async function step<T>(
  title: string,
  signal: AbortSignal,
  action: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const began = performance.now();
  const clearLine = process.stdout.isTTY ? '\r\x1b[K' : '';
  if (process.stdout.isTTY) process.stdout.write(`… ${title}`);
  try {
    const result = await action();
    const milliseconds = Math.round(performance.now() - began);
    process.stdout.write(`${clearLine}✓ ${title} (${milliseconds} ms)\n`);
    return result;
  } catch (error) {
    process.stdout.write(clearLine);
    throw error;
  }
}

/** Runs the command-line tool whose script is `module`; what it wrote is shown only if it fails. */
export async function runTool(
  module: string,
  args: string[],
  variables: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const script = createRequire(import.meta.url).resolve(module);
  const tool = spawn(process.execPath, [script, ...args], {
    // Prisma's command line otherwise asks its maker for news.
    env: { ...variables, CHECKPOINT_DISABLE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  tool.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  tool.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const stop = () => tool.kill();
  signal.addEventListener('abort', stop);
  await once(tool, 'close');
  signal.removeEventListener('abort', stop);
  if (tool.exitCode !== 0) throw new Error(`${output.trimEnd()}\n${args.join(' ')} failed.`);
}
