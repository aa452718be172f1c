import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';

/** Aborted when the start shall stop. */
export const stopping = new AbortController();
const { signal } = stopping;

/**
 * Runs a step of the start and prints its duration, unless the step returns false: nothing to do.
 */
export async function step<T>(title: string, action: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const began = performance.now();
  const clearLine = process.stdout.isTTY ? '\r\x1b[K' : '';
  if (process.stdout.isTTY) process.stdout.write(`… ${title}`);
  let result: T | false = false;
  try {
    result = await action();
    return result;
  } finally {
    const milliseconds = Math.round(performance.now() - began);
    process.stdout.write(
      `${clearLine}${result === false ? '' : `✓ ${title} (${milliseconds} ms)\n`}`,
    );
  }
}

/** Runs the command-line tool whose script is `module`; resolves to its output. */
export async function runTool(
  module: string,
  args: string[],
  variables: NodeJS.ProcessEnv,
): Promise<string> {
  const script = createRequire(import.meta.url).resolve(module);
  const tool = spawn(process.execPath, [script, ...args], {
    // Without it, Prisma's CLI checks its vendor's host for a newer version.
    env: { ...variables, CHECKPOINT_DISABLE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  let output = '';
  for (const stream of [tool.stdout, tool.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  await once(tool, 'close');
  if (tool.exitCode !== 0) throw new Error(`${output.trimEnd()}\n${args.join(' ')} failed.`);
  return output;
}
