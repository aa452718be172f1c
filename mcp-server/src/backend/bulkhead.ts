import { abortable } from './abortable.js';
import { BackendUnavailableError } from './backend-errors.js';

const MAX_RUNNING = 64;
const MAX_WAITING = 256;

/** Lets 64 requests run and 256 wait for their turn, in order; more are refused. */
export class Bulkhead {
  private running = 0;
  private readonly queue = new Set<() => void>();

  get load(): Readonly<Record<'running' | 'waiting', number>> {
    return { running: this.running, waiting: this.queue.size };
  }

  /**
   * Takes a place, which `leave` gives back.
   * @throws BackendUnavailableError if the queue is full or the deadline passes, or
   *   `signal.reason`.
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
      // The place may have been given in the same tick.
      if (!this.queue.delete(admit)) this.leave();
      throw error;
    }
  }

  /** Hands the place to the request that has waited longest, if there is one. */
  leave(): void {
    const [admit] = this.queue;
    if (admit === undefined) this.running -= 1;
    else this.queue.delete(admit);
    admit?.();
  }
}
