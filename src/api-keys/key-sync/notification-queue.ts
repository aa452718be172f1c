import { randomBytes } from 'node:crypto';

const MAX_ITEMS_AT_ONCE = 1000;
// More than are sent, at two per second, before the connection is given up.
const MAX_HEARTBEATS_IN_FLIGHT = 32;

/** Changed keys to be read, and the send time of the latest heartbeat after them. */
interface Batch {
  readonly ids: readonly string[];
  readonly heartbeatSentAt: number | undefined;
}

/**
 * Notifications in the order of their arrival: ids of changed keys, and own heartbeats, each of
 * which arrives after every change committed before it. A heartbeat has a single-use nonce, so that
 * no other session can forge, replay or date one.
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

  /** Takes the oldest notifications. When their keys have been read, the heartbeat counts. */
  take(): Batch {
    const items = this.items.splice(0, MAX_ITEMS_AT_ONCE);
    return {
      ids: [...new Set(items.filter((item) => typeof item === 'string'))],
      heartbeatSentAt: items.findLast((item) => typeof item === 'number'),
    };
  }
}
