import { randomBytes } from 'node:crypto';

const MAX_ITEMS_AT_ONCE = 1000;
// Never reached: 32 heartbeats take 16 s, but an unresponsive connection is closed after 1.5 s.
const MAX_HEARTBEATS_IN_FLIGHT = 32;

/** The ids of changed keys, and the send time of the latest heartbeat in the batch. */
interface Batch {
  readonly ids: readonly string[];
  readonly heartbeatSentAt: number | undefined;
}

/**
 * Notifications in order of arrival: ids of changed keys, and heartbeats that this process sent to
 * itself. A heartbeat arrives after all changes that were committed before it was sent. The
 * heartbeat is a single-use nonce. Only this process knows its send time, so no other session can
 * forge or replay the heartbeat.
 */
export class NotificationQueue {
  private readonly items: (string | number)[] = [];
  private readonly sentAt = new Map<string, number>();

  get isEmpty(): boolean {
    return this.items.length === 0;
  }

  /** Returns the nonce of a heartbeat that is sent now. */
  createHeartbeat(): string {
    const nonce = randomBytes(16).toString('base64url');
    this.sentAt.set(nonce, performance.now());
    const [oldest] = this.sentAt.keys();
    if (this.sentAt.size > MAX_HEARTBEATS_IN_FLIGHT && oldest !== undefined) {
      this.sentAt.delete(oldest);
    }
    return nonce;
  }

  addChange(id: string): void {
    this.items.push(id);
  }

  addHeartbeat(nonce: string): void {
    const sentAt = this.sentAt.get(nonce);
    if (sentAt === undefined) return;
    this.sentAt.delete(nonce);
    this.items.push(sentAt);
  }

  /**
   * Removes and returns the oldest notifications. The caller must read the changed keys before it
   * relies on the heartbeat.
   */
  take(): Batch {
    const items = this.items.splice(0, MAX_ITEMS_AT_ONCE);
    return {
      ids: [...new Set(items.filter((item) => typeof item === 'string'))],
      heartbeatSentAt: items.findLast((item) => typeof item === 'number'),
    };
  }
}
