import { hash, randomBytes } from 'node:crypto';
import type { KeyEnvironment } from '../../config/key-environment.js';
import type { MessageAuthenticator } from './message-authenticator.js';

export interface KeyRevision {
  readonly id: string;
  readonly revision: bigint;
}

/** This process among those that hold keys. */
export class Instance {
  readonly id = randomBytes(8).toString('hex');
  /** Only the digest is stored, so no other process can refresh or remove the row of this one. */
  readonly secret = randomBytes(32).toString('hex');
  private readonly secretDigest = hash('sha256', this.secret, 'hex');

  constructor(
    private readonly authenticator: MessageAuthenticator,
    /** The environment whose keys this process admits. */
    readonly keyEnvironment: KeyEnvironment,
  ) {}

  /** Shows other processes that the row is one of theirs. Changes with the root keys. */
  get proof(): string {
    return this.authenticator.sign(describeInstance(this.id, this.secretDigest));
  }

  /** The notification that this process has taken in a revision of a key. */
  acknowledge(key: KeyRevision): string {
    const acknowledgement = describeAcknowledgement(this.id, key);
    return `${acknowledgement} ${this.authenticator.sign(acknowledgement)}`;
  }
}

/** The text that an instance's proof signs. With the digest, so that the proof of a process that has ended fits no other secret. */
export function describeInstance(id: string, secretDigest: string): string {
  return `instance ${id} ${secretDigest}`;
}

/** The text that an acknowledgement signs. */
export function describeAcknowledgement(instanceId: string, { id, revision }: KeyRevision): string {
  return `acknowledgement ${instanceId} ${id} ${revision}`;
}
