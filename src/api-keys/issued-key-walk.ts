import type { KeyChange } from './key-changes.js';

const PAGE_SIZE = 500;

/** An issued key, read under a row lock. */
export interface IssuedKeyState {
  readonly id: string;
  readonly name: string;
  readonly revision: bigint;
  readonly isRevoked: boolean;
  /** Whether it has expired, or its grace period is over. */
  readonly hasEnded: boolean;
}

/**
 * Iterates over all keys below a key in pages, issuers before the keys that they have issued.
 * Each issuer is locked or has ended before its keys are read, so concurrent creations are found.
 */
export class IssuedKeyWalk {
  private seen: Set<string>;
  private issuers: string[];
  private found: string[] = [];
  private last = '';

  constructor(id: string) {
    this.seen = new Set([id]);
    this.issuers = [id];
  }

  /** A walk that goes on from here, without this one. */
  copy(): IssuedKeyWalk {
    const copy = new IssuedKeyWalk('');
    copy.seen = new Set(this.seen);
    copy.issuers = [...this.issuers];
    copy.found = [...this.found];
    copy.last = this.last;
    return copy;
  }

  get isOver(): boolean {
    return this.issuers.length === 0;
  }

  /** Reads the next page and locks its rows until the end of the transaction. */
  async next({ prisma, now }: KeyChange): Promise<IssuedKeyState[]> {
    const issuers = this.issuers.slice(0, PAGE_SIZE);
    const page = await prisma.$queryRaw<IssuedKeyState[]>`
      SELECT id, name, revision, revoked_at IS NOT NULL AS "isRevoked",
        least(expires_at, retires_at) <= ${now} AS "hasEnded"
      FROM api_keys WHERE created_by = ANY(${issuers}) AND id > ${this.last}
      ORDER BY id LIMIT ${PAGE_SIZE} FOR UPDATE`;
    const isComplete = page.length < PAGE_SIZE;
    this.last = isComplete ? '' : (page.at(-1)?.id ?? '');
    // Forged rows could form a cycle of issuers.
    const unseen = page.filter(({ id }) => !this.seen.has(id));
    for (const { id } of unseen) {
      this.seen.add(id);
      this.found.push(id);
    }
    if (isComplete) this.leave(issuers.length);
    return unseen;
  }

  /** Moves on to the next issuers; at the end of a level, to the keys found on it. */
  private leave(count: number): void {
    this.issuers = this.issuers.slice(count);
    if (this.issuers.length > 0) return;
    this.issuers = this.found;
    this.found = [];
  }
}
