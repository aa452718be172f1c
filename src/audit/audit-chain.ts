import { hash } from 'node:crypto';
import type { AuditEvent } from '../generated/prisma/client.js';

/** `previousHash` of the first event. */
export const GENESIS_HASH = '0'.repeat(64);

/**
 * Verifies the hash chain of events, which must be added in order from the first. The migration
 * `*_audit_of_users` contains the SQL that computes the hashes.
 */
export class AuditChain {
  private previousHash = GENESIS_HASH;
  private sequence = 0n;
  private hasFoundHead = false;
  /** Events that were changed or are missing. */
  readonly faults: { readonly sequence: number; readonly problem: string }[] = [];

  /** @param expectedHead an earlier `head`, which the trail must contain */
  constructor(private readonly expectedHead?: string) {}

  /**
   * The last event, as `sequence:hash`. A later verification that receives this value as
   * `expectedHead` detects whether the trail was truncated or rebuilt since then.
   */
  get head(): string {
    return `${this.sequence}:${this.previousHash}`;
  }

  add(event: AuditEvent): void {
    const expected = this.sequence + 1n;
    if (event.sequence !== expected) {
      const last = event.sequence - 1n;
      this.report(
        expected,
        last > expected ? `missing, as are all events up to ${last}` : 'missing',
      );
    } else if (hex(event.previousHash) !== this.previousHash) {
      this.report(event.sequence, 'does not contain the hash of the previous event');
    }
    if (hashOf(event) !== hex(event.hash)) this.report(event.sequence, 'was changed');
    this.sequence = event.sequence;
    this.previousHash = hex(event.hash);
    if (this.head === this.expectedHead) this.hasFoundHead = true;
  }

  /** Checks that the trail contained `expectedHead`. Call it after the last event. */
  finish(): void {
    if (this.expectedHead === undefined || this.hasFoundHead) return;
    const [sequence = '0'] = this.expectedHead.split(':', 1);
    this.report(BigInt(sequence), 'does not match the given head');
  }

  private report(sequence: bigint, problem: string): void {
    this.faults.push({ sequence: Number(sequence), problem });
  }
}

function hashOf(event: AuditEvent): string {
  const { sequence, at, actor, action, subject, before, after, previousHash } = event;
  const lines = [sequence, at.toISOString(), actor, action, subject, before, after];
  const text = [...lines.map((line) => line ?? ''), hex(previousHash)].join('\n');
  return hash('sha256', text, 'hex');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
