import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Ends a process with `signal`, or after `timeoutMs` with `lastSignal`. Waits for the exit. */
export async function endProcess(
  child: ChildProcess,
  signal: NodeJS.Signals,
  timeoutMs: number,
  lastSignal: NodeJS.Signals,
): Promise<void> {
  if (hasEnded(child)) return;
  child.kill(signal);
  const timeout = setTimeout(() => child.kill(lastSignal), timeoutMs);
  await once(child, 'exit');
  clearTimeout(timeout);
}
