import { BackendUnavailableError } from './backend-errors.js';

/**
 * Settles as `work` does, or rejects as soon as the caller leaves or the deadline has passed.
 * @param deadline on the clock of `performance.now()`; none if it is left out
 * @throws BackendUnavailableError after the deadline, or `signal.reason`.
 */
export async function within<Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
  deadline?: number,
): Promise<Result> {
  let stop = () => {};
  const interrupted = new Promise<never>((_resolve, reject) => {
    const leave = () => reject(signal?.reason);
    const expire = () => reject(new BackendUnavailableError('timeout', true));
    const timer =
      deadline === undefined ? undefined : setTimeout(expire, deadline - performance.now());
    if (signal?.aborted === true) leave();
    signal?.addEventListener('abort', leave);
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', leave);
    };
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    stop();
  }
}
