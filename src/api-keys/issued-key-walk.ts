import type { KeyChange } from './key-changes.js';

const PAGE_SIZE = 500;

/** A key that another one has issued, as a change finds it. */
export interface IssuedKeyState {
  readonly id: string;
  readonly name: string;
  readonly revision: bigint;
  readonly isRevoked: boolean;
  /** Whether its life has ended, by its expiry or a rotation. */
  readonly hasEnded: boolean;
}

/**
 * Goes through the keys that a key has issued, directly or through others, a page at a time. A key has ended, or is held by the
 * change, before those that it has issued are looked for: a key that is created meanwhile is found, too.
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

  /** Holds the next keys until the change is over. */
  async next({ prisma, now }: KeyChange): Promise<IssuedKeyState[]> {
    const issuers = this.issuers.slice(0, PAGE_SIZE);
    const page = await prisma.$queryRaw<IssuedKeyState[]>`
      SELECT id, name, revision, revoked_at IS NOT NULL AS "isRevoked",
        least(expires_at, retires_at) <= ${now} AS "hasEnded"
      FROM api_keys WHERE created_by = ANY(${issuers}) AND id > ${this.last}
      ORDER BY id LIMIT ${PAGE_SIZE} FOR UPDATE`;
    const isComplete = page.length < PAGE_SIZE;
    this.last = isComplete ? '' : (page.at(-1)?.id ?? '');
    // Rows that were forged could name each other as their issuers.
    const unseen = page.filter(({ id }) => !this.seen.has(id));
    for (const { id } of unseen) {
      this.seen.add(id);
      this.found.push(id);
    }
    if (isComplete) this.leave(issuers.length);
    return unseen;
  }

  /** Goes on to the next issuers, which are the keys found so far when no others are left. */
  private leave(count: number): void {
    this.issuers = this.issuers.slice(count);
    if (this.issuers.length > 0) return;
    this.issuers = this.found;
    this.found = [];
  }
}
