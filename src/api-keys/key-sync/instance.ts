import { hash, randomBytes } from 'node:crypto';
import type { KeyEnvironment } from '../../config/key-environment.js';
import type { MessageAuthenticator } from './message-authenticator.js';

export interface KeyRevision {
  readonly id: string;
  readonly revision: bigint;
}

/** This process, as an instance with a key cache. */
export class Instance {
  readonly id = randomBytes(8).toString('hex');
  /** Protects this instance's row: a process must know the secret to refresh or remove the row. */
  readonly secret = randomBytes(32).toString('hex');
  private readonly secretDigest = hash('sha256', this.secret, 'hex');

  constructor(
    private readonly authenticator: MessageAuthenticator,
    /** The environment of the keys that this process admits. */
    readonly keyEnvironment: KeyEnvironment,
  ) {}

  /**
   * Proves that this instance's row is genuine. Every instance that shares a root key with this
   * instance can verify the proof.
   */
  get proof(): string {
    return this.authenticator.sign(describeInstance(this.id, this.secretDigest));
  }

  /** Returns a signed notification that this process has applied a revision of a key. */
  acknowledge(key: KeyRevision): string {
    const acknowledgement = describeAcknowledgement(this.id, key);
    return `${acknowledgement} ${this.authenticator.sign(acknowledgement)}`;
  }
}

/** The text that is signed for a proof. The digest in this text binds the proof to one secret. */
export function describeInstance(id: string, secretDigest: string): string {
  return `instance ${id} ${secretDigest}`;
}

export function describeAcknowledgement(instanceId: string, { id, revision }: KeyRevision): string {
  return `acknowledgement ${instanceId} ${id} ${revision}`;
}
