import { Injectable } from '@nestjs/common';
import type { NetworkSet } from './network.js';
import type { Principal } from './principal.js';

/** An issued key as verification needs it: everything but the secret. Times are milliseconds since the epoch. */
export interface IssuedKey {
  readonly id: string;
  /** The `digestKey` of the secret. */
  readonly digest: string;
  /** Grows with every change of any key. */
  readonly revision: bigint;
  readonly isRevoked: boolean;
  /** The end of its life: that of the grace period after a rotation, if that comes first. */
  readonly expiresAt: number;
  /** Where the caller must come from. */
  readonly networks: NetworkSet;
  /** Whom it identifies while it is good. */
  readonly principal: Principal;
}

/** Tells whether two copies of the keys are the same: every change gives a key a greater revision. */
export interface Fingerprint {
  readonly count: number;
  readonly revisions: bigint;
}

/** Every issued key there is, dead ones too: verification needs no SQL. Filled by `KeySync`. */
@Injectable()
export class IssuedKeyCache {
  /** By digest. */
  private readonly keys = new Map<string, IssuedKey>();
  private revisions = 0n;

  /** The key whose `digestKey` is this. */
  find(digest: string): IssuedKey | undefined {
    return this.keys.get(digest);
  }

  /** Takes keys as they are in the database now, also where that is an older state: it may have been restored. */
  put(keys: Iterable<IssuedKey>): void {
    for (const key of keys) {
      const known = this.keys.get(key.digest)?.revision ?? 0n;
      // Also where the revision is the same: a restored database may have reached it again by another change.
      this.keys.set(key.digest, key);
      this.revisions += key.revision - known;
    }
  }

  /** The keys that are not among these. */
  allBut(ids: ReadonlySet<string>): IssuedKey[] {
    return [...this.keys.values()].filter(({ id }) => !ids.has(id));
  }

  /** Forgets a key whose row somebody has removed by force. */
  remove({ digest, revision }: IssuedKey): void {
    this.keys.delete(digest);
    this.revisions -= revision;
  }

  get fingerprint(): Fingerprint {
    return { count: this.keys.size, revisions: this.revisions };
  }
}
