import { ProblemException } from '../problems/problem.js';
import type { NamedApiKey, RevokeApiKey } from './api-key.schemas.js';
import { lockKeys } from './grants.js';
import type { KeyChange } from './key-changes.js';
import type { KeyRevision } from './key-sync/instance.js';
import { announceAgain } from './key-propagation.js';
import { type KeyAdmin, actorOf } from './principal.js';

const PAGE_SIZE = 500;
// Each transaction locks the audit trail, so a larger one would delay other writes.
const MAX_KEYS_PER_CHANGE = 500;

/** The key to revoke, or a key that it issued directly or through others. Its row is locked. */
interface TreeKey extends KeyRevision {
  readonly name: string;
  readonly isRevoked: boolean;
  /** Whether the key has expired, or its grace period has ended. */
  readonly hasEnded: boolean;
}

/** `announce`: the key was revoked earlier, but instances may not have applied this yet. */
type Action = 'revoke' | 'announce' | 'keep' | 'none';

/** The effect of one transaction. */
interface Step {
  readonly keys: ReadonlyMap<string, TreeKey>;
  readonly rows: readonly KeyRevision[];
  readonly position: Position;
}

/**
 * Revokes a key. Unless `keepIssuedKeys` is set, also revokes all keys that it issued, directly or
 * through others. This may take several transactions: until `isOver` is true, repeatedly call
 * `revokeNext`, commit the transaction, and call `accept`.
 */
export class KeyRevocation {
  /** The rows that every instance has to acknowledge. */
  readonly rows: KeyRevision[] = [];
  private readonly keys = new Map<string, TreeKey>();
  private position: Position;

  constructor(
    private readonly caller: KeyAdmin,
    private readonly id: string,
    private readonly input: RevokeApiKey,
  ) {
    this.position = { issuers: [id], found: [], last: '' };
  }

  get isOver(): boolean {
    return this.position.issuers.length === 0;
  }

  /** The keys that this request has revoked, except for the key that the caller named. */
  get revokedKeys(): NamedApiKey[] {
    return this.select('revoke', this.keys)
      .filter(({ id }) => id !== this.id)
      .map(nameOf);
  }

  get activeIssuedKeys(): NamedApiKey[] {
    return this.select('keep', this.keys).map(nameOf);
  }

  /**
   * Revokes the key itself, or the next keys that it issued. Leaves this object unchanged, so that
   * a transaction that was rolled back can be repeated.
   * @throws ProblemException `API_KEY_NOT_FOUND`, `LAST_WAY_IN`
   */
  async revokeNext(change: KeyChange): Promise<Step> {
    // Lock all rows before the first update, because an update also locks the audit trail. The
    // creation of a key takes the locks in the same order. Another order could cause a deadlock.
    const { keys, position } = await this.lockNext(change);
    const revoked = await this.revoke(this.select('revoke', keys), change);
    const revokedBefore = this.select('announce', keys);
    await announceAgain(revokedBefore, change);
    return { keys, position, rows: [...revoked, ...revokedBefore] };
  }

  accept({ keys, rows, position }: Step): void {
    for (const [id, key] of keys) this.keys.set(id, key);
    this.rows.push(...rows);
    this.position = position;
  }

  private select(action: Action, keys: ReadonlyMap<string, TreeKey>): TreeKey[] {
    return [...keys.values()].filter((key) => this.actionFor(key) === action);
  }

  private actionFor({ id, isRevoked, hasEnded }: TreeKey): Action {
    if (hasEnded) return 'none';
    if (id === this.id || !this.input.keepIssuedKeys) return isRevoked ? 'announce' : 'revoke';
    return isRevoked ? 'none' : 'keep';
  }

  private async lockNext(change: KeyChange): Promise<Omit<Step, 'rows'>> {
    const keys = new Map<string, TreeKey>();
    if (!this.keys.has(this.id)) keys.set(this.id, await this.lockFirst(change));
    let { position } = this;
    while (position.issuers.length > 0 && keys.size < MAX_KEYS_PER_CHANGE) {
      // Skip keys that were read before: forged rows could form a cycle of issuers.
      const isNew = (id: string) => !this.keys.has(id) && !keys.has(id);
      const page = await lockPage(position, change, isNew);
      for (const key of page.keys) keys.set(key.id, key);
      ({ position } = page);
    }
    return { keys, position };
  }

  /**
   * Runs in the first transaction only. If this transaction revokes the caller's own key, the check
   * of the caller in `lockKeys` would fail in later transactions.
   */
  private async lockFirst(change: KeyChange): Promise<TreeKey> {
    const { caller, id, input } = this;
    await lockKeys(caller, { ids: [id], includeAdmins: !caller.isRoot }, change);
    if (!caller.isRoot) await refuseLastWayIn(id, input.keepIssuedKeys, change);
    const key = await change.prisma.apiKey.findUnique({
      where: { id },
      select: { id: true, name: true, revision: true, revokedAt: true },
    });
    if (key === null) throw new ProblemException('API_KEY_NOT_FOUND');
    return { ...key, isRevoked: key.revokedAt !== null, hasEnded: false };
  }

  private async revoke(
    keys: readonly TreeKey[],
    { prisma, now }: KeyChange,
  ): Promise<KeyRevision[]> {
    const { reason } = this.input;
    const cause = `revoked together with key ${this.id}`;
    const reasonOfIssued = reason === undefined ? cause : `${reason} (${cause})`;
    return prisma.$queryRaw<KeyRevision[]>`
      UPDATE api_keys
      SET revoked_at = ${now}, revoked_by = ${actorOf(this.caller)},
        revocation_reason = CASE WHEN id = ${this.id} THEN ${reason ?? null} ELSE ${reasonOfIssued} END
      WHERE id = ANY(${keys.map(({ id }) => id)}) RETURNING id, revision`;
  }
}

function nameOf({ id, name }: TreeKey): NamedApiKey {
  return { id, name };
}

/**
 * Refuses to revoke the last active key with `keys:write`. A key in the grace period after its
 * rotation does not count as active.
 */
async function refuseLastWayIn(
  id: string,
  keepIssuedKeys: boolean,
  { prisma, now }: KeyChange,
): Promise<void> {
  const managers = await prisma.$queryRaw<{ isEnded: boolean }[]>`
    WITH RECURSIVE origin AS (
      SELECT id AS manager, id AS key FROM api_keys
      WHERE 'keys:write' = ANY(scopes) AND revoked_at IS NULL AND retires_at IS NULL AND expires_at > ${now}
      UNION
      SELECT origin.manager, issued.created_by FROM origin JOIN api_keys AS issued ON issued.id = origin.key
      WHERE NOT ${keepIssuedKeys}
    )
    SELECT bool_or(key = ${id}) AS "isEnded" FROM origin GROUP BY manager`;
  const ended = managers.filter(({ isEnded }) => isEnded);
  if (ended.length > 0 && ended.length === managers.length) {
    throw new ProblemException('LAST_WAY_IN');
  }
}

/**
 * A position in the breadth-first traversal of issued keys. The traversal locks each valid issuer
 * before it reads this issuer's keys, so that the issuer cannot create a key concurrently.
 */
interface Position {
  /** Empty when all keys have been read. */
  readonly issuers: readonly string[];
  /** The keys of the next level that have been found so far. */
  readonly found: readonly string[];
  /** The id of the last key on the previous page; empty before the first page. */
  readonly last: string;
}

/** Reads the next page and locks its rows until the end of the transaction. */
async function lockPage(
  position: Position,
  { prisma, now }: KeyChange,
  isNew: (id: string) => boolean,
): Promise<{ keys: TreeKey[]; position: Position }> {
  const issuers = position.issuers.slice(0, PAGE_SIZE);
  const page = await prisma.$queryRaw<TreeKey[]>`
    SELECT id, name, revision, revoked_at IS NOT NULL AS "isRevoked",
      least(expires_at, retires_at) <= ${now} AS "hasEnded"
    FROM api_keys WHERE created_by = ANY(${issuers}) AND id > ${position.last}
    ORDER BY id LIMIT ${PAGE_SIZE} FOR UPDATE`;
  const keys = page.filter(({ id }) => isNew(id));
  const found = [...position.found, ...keys.map(({ id }) => id)];
  const last = page.at(-1);
  if (last !== undefined && page.length === PAGE_SIZE) {
    return { keys, position: { ...position, found, last: last.id } };
  }
  const remaining = position.issuers.slice(issuers.length);
  const next = remaining.length > 0 ? { issuers: remaining, found } : { issuers: found, found: [] };
  return { keys, position: { ...next, last: '' } };
}
