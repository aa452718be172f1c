import { abortable } from './abortable.js';
import { BackendUnavailableError } from './backend-errors.js';

const MAX_RUNNING = 64;
const MAX_WAITING = 256;

/** Limits concurrency: up to 64 requests run and 256 wait in a FIFO queue. More are refused. */
export class Bulkhead {
  private running = 0;
  private readonly queue = new Set<() => void>();

  get load(): Readonly<Record<'running' | 'waiting', number>> {
    return { running: this.running, waiting: this.queue.size };
  }

  /**
   * Takes a slot, waiting for one if necessary. Call `leave` to release it.
   * @throws BackendUnavailableError if the queue is full or the deadline passes; `signal.reason` if
   *   the signal aborts
   */
  async enter(signal: AbortSignal | undefined, deadline: number): Promise<void> {
    if (this.running < MAX_RUNNING) {
      this.running += 1;
      return;
    }
    if (this.queue.size >= MAX_WAITING) throw new BackendUnavailableError('too-many-calls');
    let admit = () => {};
    const admitted = new Promise<void>((resolve) => (admit = resolve));
    this.queue.add(admit);
    try {
      await abortable(admitted, signal, deadline);
    } catch (error) {
      // `leave` may have given this request a slot in the same tick: release that slot.
      if (!this.queue.delete(admit)) this.leave();
      throw error;
    }
  }

  /** Releases a slot, or hands it to the request that has waited longest. */
  leave(): void {
    const [admit] = this.queue;
    if (admit === undefined) this.running -= 1;
    else this.queue.delete(admit);
    admit?.();
  }
}
