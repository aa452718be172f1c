import { randomBytes } from 'node:crypto';

// At two a second, more than are sent before the connection is given up.
const MAX_PENDING = 32;

/**
 * Heartbeats that are on their way through the database. Each has a nonce that counts once, so that no other session can forge, repeat
 * or date one.
 */
export class PendingHeartbeats {
  private readonly sentAt = new Map<string, number>();

  /** The nonce of a heartbeat that is sent now. */
  send(): string {
    const nonce = randomBytes(16).toString('base64url');
    this.sentAt.set(nonce, performance.now());
    const [oldest] = this.sentAt.keys();
    if (this.sentAt.size > MAX_PENDING && oldest !== undefined) this.sentAt.delete(oldest);
    return nonce;
  }

  /** When the heartbeat was sent, on the clock of `performance`; undefined if it was not sent, or has come before. */
  receive(nonce: string): number | undefined {
    const sentAt = this.sentAt.get(nonce);
    this.sentAt.delete(nonce);
    return sentAt;
  }
}
