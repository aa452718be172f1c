import { Injectable } from '@nestjs/common';
import type { IssuedKey } from './issued-key.js';

/** Tells whether two copies of the keys are the same: every change gives a key a greater revision. */
export interface Fingerprint {
  readonly count: number;
  readonly revisions: bigint;
}

/** Every issued key there is, dead ones too, by digest: verification needs no SQL. Filled by `KeyFeed`. */
@Injectable()
export class IssuedKeyRing {
  private readonly byDigest = new Map<string, IssuedKey>();
  private revisions = 0n;

  find(digest: string): IssuedKey | undefined {
    return this.byDigest.get(digest);
  }

  /** Takes keys as they are in the database now. What is older than what is here is left out. */
  put(keys: Iterable<IssuedKey>): void {
    for (const key of keys) {
      const known = this.byDigest.get(key.digest)?.revision ?? 0n;
      if (key.revision <= known) continue;
      this.byDigest.set(key.digest, key);
      this.revisions += key.revision - known;
    }
  }

  /** The keys that are not among these. */
  allBut(ids: ReadonlySet<string>): IssuedKey[] {
    return [...this.byDigest.values()].filter(({ id }) => !ids.has(id));
  }

  /** Forgets a key whose row somebody has removed by force. */
  remove({ digest, revision }: IssuedKey): void {
    this.byDigest.delete(digest);
    this.revisions -= revision;
  }

  get fingerprint(): Fingerprint {
    return { count: this.byDigest.size, revisions: this.revisions };
  }
}
