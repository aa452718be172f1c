import { setTimeout as sleep } from 'node:timers/promises';

/** Runs a task after a delay and then at intervals, in milliseconds, until the signal is aborted or the task fails. */
export async function repeatUntil(
  signal: AbortSignal,
  delayMs: number,
  intervalMs: number,
  task: () => Promise<void>,
): Promise<void> {
  for (let pauseMs = delayMs; !signal.aborted; pauseMs = intervalMs) {
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) await task();
  }
}
