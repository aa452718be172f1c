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
 * A position among all keys below a key, issuers before the keys that they have issued. Each issuer
 * is locked or has ended before its keys are read, so concurrent creations are found.
 */
export class IssuedKeyWalk {
  private constructor(
    private readonly issuers: readonly string[],
    /** The keys of the next level that have been found so far. */
    private readonly found: readonly string[],
    /** The last key of the current issuers that has been read. */
    private readonly last: string,
  ) {}

  static below(id: string): IssuedKeyWalk {
    return new IssuedKeyWalk([id], [], '');
  }

  get isOver(): boolean {
    return this.issuers.length === 0;
  }

  /**
   * Reads the next page and locks its rows until the end of the transaction.
   * @param isNew false for keys that were read before: forged rows could form a cycle of issuers.
   */
  async next(
    { prisma, now }: KeyChange,
    isNew: (id: string) => boolean,
  ): Promise<{ keys: IssuedKeyState[]; walk: IssuedKeyWalk }> {
    const issuers = this.issuers.slice(0, PAGE_SIZE);
    const page = await prisma.$queryRaw<IssuedKeyState[]>`
      SELECT id, name, revision, revoked_at IS NOT NULL AS "isRevoked",
        least(expires_at, retires_at) <= ${now} AS "hasEnded"
      FROM api_keys WHERE created_by = ANY(${issuers}) AND id > ${this.last}
      ORDER BY id LIMIT ${PAGE_SIZE} FOR UPDATE`;
    const keys = page.filter(({ id }) => isNew(id));
    const found = [...this.found, ...keys.map(({ id }) => id)];
    const last = page.at(-1);
    if (last !== undefined && page.length === PAGE_SIZE) {
      return { keys, walk: new IssuedKeyWalk(this.issuers, found, last.id) };
    }
    const left = this.issuers.slice(issuers.length);
    const walk =
      left.length > 0 ? new IssuedKeyWalk(left, found, '') : new IssuedKeyWalk(found, [], '');
    return { keys, walk };
  }
}
