import { execFile } from 'node:child_process';

/** Aborts when `npm start` gets a signal and must stop. */
export const stopping = new AbortController();
const { signal } = stopping;

/** Runs a step, and prints its duration if the step had work. A step without work returns false. */
export async function step<T>(title: string, action: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const began = performance.now();
  const { isTTY } = process.stdout;
  if (isTTY) process.stdout.write(`… ${title}`);
  let result: T | false = false;
  try {
    result = await action();
    return result;
  } finally {
    if (isTTY) process.stdout.write('\r\x1b[K');
    const milliseconds = Math.round(performance.now() - began);
    if (result !== false) process.stdout.write(`✓ ${title} (${milliseconds} ms)\n`);
  }
}

/** Runs a script with Node; resolves to its output. @throws Error with the output and exit code */
export function runNode(args: readonly string[], variables: NodeJS.ProcessEnv): Promise<string> {
  // CHECKPOINT_DISABLE keeps Prisma's CLI from asking its vendor's server for a newer version.
  const options = { env: { ...variables, CHECKPOINT_DISABLE: '1' }, signal };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      error.message = `${stdout}${stderr}${args.join(' ')} failed.`;
      reject(error);
    });
  });
}
