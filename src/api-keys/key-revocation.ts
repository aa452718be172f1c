import { ProblemException } from '../problems/problem.js';
import type { NamedApiKey, RevokeApiKey } from './api-key.schemas.js';
import { holdKeys } from './grants.js';
import { type IssuedKeyState, IssuedKeyWalk } from './issued-key-walk.js';
import type { KeyChange } from './key-changes.js';
import type { KeyRevision } from './key-sync/instance.js';
import { announceAgain } from './key-propagation.js';
import type { Principal } from './principal.js';

// Each transaction locks the audit trail; a larger one would delay other writes for too long.
const MAX_KEYS_PER_CHANGE = 500;

/** What one transaction has revoked. */
interface RevokedPart {
  readonly keys: readonly IssuedKeyState[];
  readonly rows: readonly KeyRevision[];
  readonly revokedKeys: readonly NamedApiKey[];
  readonly activeIssuedKeys: readonly NamedApiKey[];
  readonly walk: IssuedKeyWalk;
}

/**
 * Revokes a key and, unless they are kept, all keys below it. Large trees take several
 * transactions: call `revokeNext` and, after each commit, `accept`, until `isOver`.
 */
export class KeyRevocation {
  /** The rows that every process has to acknowledge. */
  readonly rows: KeyRevision[] = [];
  /** The keys below the key that were revoked. */
  readonly revokedKeys: NamedApiKey[] = [];
  /** The keys below the key that are still good. */
  readonly activeIssuedKeys: NamedApiKey[] = [];
  private readonly seen = new Set<string>();
  private walk: IssuedKeyWalk;

  constructor(
    private readonly caller: Principal,
    private readonly id: string,
    private readonly wanted: RevokeApiKey,
  ) {
    this.walk = IssuedKeyWalk.below(id);
  }

  get isOver(): boolean {
    return this.walk.isOver;
  }

  /**
   * Revokes the key itself, then the keys below it. Changes nothing in memory: a transaction that
   * was rolled back can be repeated.
   * @throws ProblemException `API_KEY_NOT_FOUND`, `LAST_WAY_IN`
   */
  async revokeNext(change: KeyChange): Promise<RevokedPart> {
    // Locks all rows before the first update locks the audit trail. A creation takes the two locks in
    // this order; the reverse order would deadlock with it.
    const { keys, walk } = await this.lockNext(change);
    const good = keys.filter(({ hasEnded }) => !hasEnded);
    const active = good.filter(({ isRevoked }) => !isRevoked);
    const ending = active.filter((key) => !this.isKept(key));
    const revoked = await this.revoke(ending, change);
    // An earlier request has revoked these, possibly without confirmation by all processes.
    const revokedBefore = good.filter((key) => key.isRevoked && !this.isKept(key));
    await announceAgain(revokedBefore, change);
    return {
      keys,
      walk,
      rows: [...revoked, ...revokedBefore],
      revokedKeys: ending.filter(({ id }) => id !== this.id).map(nameOf),
      activeIssuedKeys: active.filter((key) => this.isKept(key)).map(nameOf),
    };
  }

  /** Takes over what a committed transaction has revoked. */
  accept({ keys, rows, revokedKeys, activeIssuedKeys, walk }: RevokedPart): void {
    for (const { id } of keys) this.seen.add(id);
    this.rows.push(...rows);
    this.revokedKeys.push(...revokedKeys);
    this.activeIssuedKeys.push(...activeIssuedKeys);
    this.walk = walk;
  }

  private async lockNext(
    change: KeyChange,
  ): Promise<{ keys: readonly IssuedKeyState[]; walk: IssuedKeyWalk }> {
    const keys = this.seen.has(this.id) ? [] : [await this.lockFirst(change)];
    const ids = new Set(keys.map(({ id }) => id));
    let { walk } = this;
    while (!walk.isOver && keys.length < MAX_KEYS_PER_CHANGE) {
      const next = await walk.next(change, (id) => !this.seen.has(id) && !ids.has(id));
      for (const { id } of next.keys) ids.add(id);
      keys.push(...next.keys);
      walk = next.walk;
    }
    return { keys, walk };
  }

  /** Only once: later, the caller's own key may be among those that were revoked. */
  private async lockFirst(change: KeyChange): Promise<IssuedKeyState> {
    const { caller, id, wanted } = this;
    await holdKeys(caller, { ids: [id], managersToo: !caller.isRoot }, change);
    if (!caller.isRoot) await refuseLastWayIn(id, wanted.keepIssuedKeys, change);
    const key = await change.prisma.apiKey.findUnique({
      where: { id },
      select: { id: true, name: true, revision: true, revokedAt: true },
    });
    if (key === null) throw new ProblemException('API_KEY_NOT_FOUND');
    return { ...key, isRevoked: key.revokedAt !== null, hasEnded: false };
  }

  private isKept({ id }: IssuedKeyState): boolean {
    return this.wanted.keepIssuedKeys && id !== this.id;
  }

  private async revoke(
    keys: readonly IssuedKeyState[],
    { prisma, now }: KeyChange,
  ): Promise<KeyRevision[]> {
    const { reason } = this.wanted;
    const withIssuer = `with the key ${this.id} that has issued it`;
    const reasonOfIssued = reason === undefined ? withIssuer : `${reason} (${withIssuer})`;
    return prisma.$queryRaw<KeyRevision[]>`
      UPDATE api_keys
      SET revoked_at = ${now}, revoked_by = ${this.caller.keyId},
        revocation_reason = CASE WHEN id = ${this.id} THEN ${reason ?? null} ELSE ${reasonOfIssued} END
      WHERE id = ANY(${keys.map(({ id }) => id)}) RETURNING id, revision`;
  }
}

function nameOf({ id, name }: IssuedKeyState): NamedApiKey {
  return { id, name };
}

/**
 * Keys must not revoke the last key that can manage keys. A retiring key does not count.
 * @throws ProblemException `LAST_WAY_IN`
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
  const isEnded = managers.filter((manager) => manager.isEnded);
  if (isEnded.length > 0 && isEnded.length === managers.length) {
    throw new ProblemException('LAST_WAY_IN');
  }
}
