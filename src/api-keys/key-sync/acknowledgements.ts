import { EventEmitter, once } from 'node:events';
import { type KeyRevision, describeAcknowledgement } from './instance.js';
import type { MessageAuthenticator } from './message-authenticator.js';

const KEPT_FOR_MS = 10_000;
const RECEIVED = 'received';

/** Authentic acknowledgements of key changes, with their times of arrival (`performance.now()`). */
export class Acknowledgements {
  /**
   * Oldest first. Every process also receives the acknowledgements of changes that other processes
   * made, and never looks them up. So entries are deleted after 10 s.
   */
  private readonly received = new Map<string, number>();
  // Disables Node's warning about leaked listeners: many changes may wait at the same time.
  private readonly events = new EventEmitter().setMaxListeners(0);

  constructor(private readonly authenticator: MessageAuthenticator) {}

  receive(payload: string): void {
    const end = payload.lastIndexOf(' ');
    const acknowledgement = payload.slice(0, Math.max(0, end));
    if (!this.authenticator.isAuthentic(acknowledgement, payload.slice(end + 1))) return;
    const now = performance.now();
    this.forgetBefore(now - KEPT_FOR_MS);
    // Delete first, because `set` alone would not move an existing entry to the end of the map.
    this.received.delete(acknowledgement);
    this.received.set(acknowledgement, now);
    this.events.emit(RECEIVED);
  }

  /** The time by which an instance had acknowledged all `keys`; undefined if it has not done so. */
  timeOf(instance: string, keys: readonly KeyRevision[]): number | undefined {
    let latest = -Infinity;
    for (const key of keys) {
      const receivedAt = this.received.get(describeAcknowledgement(instance, key));
      if (receivedAt === undefined) return undefined;
      latest = Math.max(latest, receivedAt);
    }
    return latest;
  }

  /** Waits for the next acknowledgement. Returns false if none arrives in time. */
  async waitForNext(timeoutMs: number): Promise<boolean> {
    const signal = AbortSignal.timeout(Math.ceil(timeoutMs));
    return once(this.events, RECEIVED, { signal }).then(
      () => true,
      () => false,
    );
  }

  private forgetBefore(time: number): void {
    for (const [acknowledgement, receivedAt] of this.received) {
      if (receivedAt >= time) return;
      this.received.delete(acknowledgement);
    }
  }
}
