import { Injectable } from '@nestjs/common';
import type { NetworkSet } from './network.js';
import type { Principal } from './principal.js';

/** An issued key without its secret. Times are milliseconds since the epoch. */
export interface IssuedKey {
  readonly id: string;
  readonly digest: string;
  /** From a sequence in the database: each change of any key gets a greater number. */
  readonly revision: bigint;
  readonly isRevoked: boolean;
  /** The expiry, or the end of the grace period if that is earlier. */
  readonly expiresAt: number;
  readonly networks: NetworkSet;
  readonly principal: Principal;
}

/**
 * All issued keys, including expired and revoked ones, so that verification needs no SQL. `KeySync`
 * fills the cache.
 */
@Injectable()
export class IssuedKeyCache {
  private readonly keys = new Map<string, IssuedKey>();
  private revisions = 0n;

  find(digest: string): IssuedKey | undefined {
    return this.keys.get(digest);
  }

  /**
   * Stores keys as read from the database, even if the cached revision is newer: the database may
   * have been restored from a backup.
   */
  put(keys: Iterable<IssuedKey>): void {
    for (const key of keys) {
      const known = this.keys.get(key.digest)?.revision ?? 0n;
      // A key with an equal revision may differ too: a restored database may reuse the number.
      this.keys.set(key.digest, key);
      this.revisions += key.revision - known;
    }
  }

  allBut(ids: ReadonlySet<string>): IssuedKey[] {
    return [...this.keys.values()].filter(({ id }) => !ids.has(id));
  }

  /** Removes a key whose row was deleted despite the trigger that forbids deletions. */
  remove({ digest, revision }: IssuedKey): void {
    this.keys.delete(digest);
    this.revisions -= revision;
  }

  /** Differs after every change of a key, because each change gives the key a greater revision. */
  get fingerprint() {
    return { count: this.keys.size, revisions: this.revisions };
  }
}
