import { randomBytes } from 'node:crypto';

// More than are sent, at two per second, before the connection is given up.
const MAX_PENDING = 32;

/**
 * Heartbeats in flight through the database. Each has a single-use nonce, so that no other session
 * can forge, replay or date one.
 */
export class PendingHeartbeats {
  private readonly sentAt = new Map<string, number>();

  /** Returns the nonce of a heartbeat that is sent now. */
  send(): string {
    const nonce = randomBytes(16).toString('base64url');
    this.sentAt.set(nonce, performance.now());
    const [oldest] = this.sentAt.keys();
    if (this.sentAt.size > MAX_PENDING && oldest !== undefined) this.sentAt.delete(oldest);
    return nonce;
  }

  /**
   * Returns when the heartbeat was sent (`performance.now()`); undefined if unknown or repeated.
   */
  receive(nonce: string): number | undefined {
    const sentAt = this.sentAt.get(nonce);
    this.sentAt.delete(nonce);
    return sentAt;
  }
}
