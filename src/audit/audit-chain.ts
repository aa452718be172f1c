import { hash } from 'node:crypto';

/** A row of the audit trail. */
export interface AuditEvent {
  readonly sequence: bigint;
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly previousHash: Uint8Array;
  readonly hash: Uint8Array;
}

/** The hash that the first event follows. */
export const GENESIS_HASH = '0'.repeat(64);

/** Where the trail is not what was written, and why. */
export interface AuditFault {
  readonly sequence: bigint;
  readonly problem: string;
}

/**
 * Follows the chain of events, in order, from the first. The database hashes them in the same way:
 * prisma/migrations/*_audit_of_users.
 */
export class AuditChain {
  private previousHash = GENESIS_HASH;
  private sequence = 0n;
  private hasMetHead = false;
  readonly faults: AuditFault[] = [];

  /** The last event: write it down elsewhere, and a trail that was cut off or replaced differs from it. */
  get head(): { sequence: bigint; hash: string } {
    return { sequence: this.sequence, hash: this.previousHash };
  }

  /** @param expectedHead what `head` once was, as `sequence:hash`; it must come by. */
  constructor(private readonly expectedHead?: string) {}

  follow(event: AuditEvent): void {
    const expected = this.sequence + 1n;
    if (event.sequence !== expected) {
      const last = event.sequence - 1n;
      this.report(expected, last > expected ? `missing, up to ${last}` : 'missing');
    } else if (hex(event.previousHash) !== this.previousHash) {
      this.report(event.sequence, 'does not follow the event before it');
    }
    if (hashOf(event) !== hex(event.hash)) this.report(event.sequence, 'was changed');
    this.sequence = event.sequence;
    this.previousHash = hex(event.hash);
    if (`${this.sequence}:${this.previousHash}` === this.expectedHead) this.hasMetHead = true;
  }

  /** Call it after the last event. */
  end(): void {
    if (this.expectedHead === undefined || this.hasMetHead) return;
    const [sequence = '0'] = this.expectedHead.split(':', 1);
    this.report(BigInt(sequence), 'is not the one that the given head names');
  }

  private report(sequence: bigint, problem: string): void {
    this.faults.push({ sequence, problem });
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
