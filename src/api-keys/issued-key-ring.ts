import { Injectable } from '@nestjs/common';
import { DigestTable, type DigestWords, type Place } from './digest-table.js';
import type { IssuedKey } from './issued-key.js';
import { digestWords } from './key-digest.js';
import { ANYWHERE } from './network.js';

/** Tells whether two copies of the keys are the same: every change gives a key a greater revision. */
export interface Fingerprint {
  readonly count: number;
  readonly revisions: bigint;
}

const NO_KEY: IssuedKey = {
  id: '',
  digest: '',
  revision: 0n,
  isRevoked: true,
  expiresAt: 0,
  networks: ANYWHERE,
  principal: {
    keyId: '',
    isRoot: false,
    scopes: [],
    readFields: undefined,
    writeFields: undefined,
    budgets: [],
  },
};

/** Every issued key there is, dead ones too: verification needs no SQL. Filled by `KeyFeed`. */
@Injectable()
export class IssuedKeyRing {
  private readonly keys = new DigestTable<IssuedKey>(NO_KEY);
  private revisions = 0n;

  /** The place of the key with a digest, for `isPresent` and `at`. */
  find(digest: DigestWords): Place {
    return this.keys.find(digest);
  }

  isPresent(place: Place): boolean {
    return this.keys.isPresent(place);
  }

  /** The key at a place; if there is none, some other one. */
  at(place: Place): IssuedKey {
    return this.keys.at(place);
  }

  /** Takes keys as they are in the database now, also where that is an older state: it may have been restored. */
  put(keys: Iterable<IssuedKey>): void {
    for (const key of keys) {
      const digest = digestWords(key.digest);
      const place = this.keys.find(digest);
      const known = this.keys.isPresent(place) ? this.keys.at(place).revision : 0n;
      // Also where the revision is the same: a restored database may have reached it again by another change.
      this.keys.set(digest, key);
      this.revisions += key.revision - known;
    }
  }

  /** The keys that are not among these. */
  allBut(ids: ReadonlySet<string>): IssuedKey[] {
    return [...this.keys.present()].filter(({ id }) => !ids.has(id));
  }

  /** Forgets a key whose row somebody has removed by force. */
  remove({ digest, revision }: IssuedKey): void {
    this.keys.delete(digestWords(digest));
    this.revisions -= revision;
  }

  get fingerprint(): Fingerprint {
    return { count: this.keys.size, revisions: this.revisions };
  }
}
