import { BackendUnavailableError } from './backend-errors.js';

/**
 * Settles as `work` does, but rejects as soon as the signal aborts or the deadline passes.
 * @param deadline in ms on the clock of `performance.now()`
 * @throws BackendUnavailableError after the deadline; `signal.reason` if the signal aborts
 */
export async function abortable<Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
  deadline?: number,
): Promise<Result> {
  let stop = () => {};
  const interrupted = new Promise<never>((_resolve, reject) => {
    const abort = () => reject(signal?.reason);
    const expire = () => reject(new BackendUnavailableError('timeout'));
    const timer =
      deadline === undefined ? undefined : setTimeout(expire, deadline - performance.now());
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort);
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    stop();
  }
}
