import { Injectable } from '@nestjs/common';
import type { NetworkSet } from './network.js';
import type { Principal } from './principal.js';

/** An issued key without its secret. Times are milliseconds since the epoch. */
export interface IssuedKey {
  readonly id: string;
  readonly digest: string;
  /** Grows with every change of any key. */
  readonly revision: bigint;
  readonly isRevoked: boolean;
  /** The expiry, or the end of the grace period if that is earlier. */
  readonly expiresAt: number;
  readonly networks: NetworkSet;
  readonly principal: Principal;
}

/**
 * All issued keys, including ended ones, so that verification needs no SQL. Filled by `KeySync`.
 */
@Injectable()
export class IssuedKeyCache {
  private readonly keys = new Map<string, IssuedKey>();
  private revisions = 0n;

  find(digest: string): IssuedKey | undefined {
    return this.keys.get(digest);
  }

  /**
   * Stores keys as read from the database, even with an older revision: it may have been restored.
   */
  put(keys: Iterable<IssuedKey>): void {
    for (const key of keys) {
      const known = this.keys.get(key.digest)?.revision ?? 0n;
      // Replaces equal revisions too: a restored database may have reused the number.
      this.keys.set(key.digest, key);
      this.revisions += key.revision - known;
    }
  }

  allBut(ids: ReadonlySet<string>): IssuedKey[] {
    return [...this.keys.values()].filter(({ id }) => !ids.has(id));
  }

  /** Removes a key whose row was deleted by force. */
  remove({ digest, revision }: IssuedKey): void {
    this.keys.delete(digest);
    this.revisions -= revision;
  }

  /** Identifies the state of the keys: every change gives a key a greater revision. */
  get fingerprint() {
    return { count: this.keys.size, revisions: this.revisions };
  }
}
