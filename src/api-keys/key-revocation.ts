import { ProblemException } from '../http/problem.js';
import type { NamedApiKey, RevokeApiKey } from './api-key.schemas.js';
import { holdKeys } from './grants.js';
import { type IssuedKeyState, IssuedKeyWalk } from './issued-key-walk.js';
import type { KeyChange } from './key-changes.js';
import type { KeyRevision } from './feed/instance.js';
import { announceAgain } from './key-propagation.js';
import type { Principal } from './principal.js';

// Each transaction locks the audit trail; a larger one would delay other writes for too long.
const MAX_KEYS_PER_CHANGE = 500;

/**
 * Revokes a key and, unless they are kept, all keys below it. Large trees take several
 * transactions: call `begin`, then `proceed` until `isOver`. A step that was rolled back can be repeated.
 */
export class KeyRevocation {
  /** The rows that every process has to acknowledge. */
  readonly rows: KeyRevision[] = [];
  /** The keys below the key that were revoked. */
  readonly revokedKeys: NamedApiKey[] = [];
  /** The keys below the key that are still good. */
  readonly activeIssuedKeys: NamedApiKey[] = [];
  private walk: IssuedKeyWalk;

  constructor(
    private readonly caller: Principal,
    private readonly id: string,
    private readonly wanted: RevokeApiKey,
  ) {
    this.walk = new IssuedKeyWalk(id);
  }

  get isOver(): boolean {
    return this.walk.isOver;
  }

  /** @throws ProblemException `API_KEY_NOT_FOUND`, `LAST_WAY_IN` */
  async begin(change: KeyChange): Promise<void> {
    const { caller, id, wanted } = this;
    await holdKeys(caller, { ids: [id], managersToo: !caller.isRoot }, change);
    if (!caller.isRoot) await refuseLastWayIn(id, wanted.keepIssuedKeys, change);
    const key = await change.prisma.apiKey.findUnique({
      where: { id },
      select: { id: true, name: true, revision: true, revokedAt: true },
    });
    if (key === null) throw new ProblemException('API_KEY_NOT_FOUND');
    await this.endNext([{ ...key, isRevoked: key.revokedAt !== null, hasEnded: false }], change);
  }

  /** Does not check the caller again: its own key may be among those that were revoked. */
  async proceed(change: KeyChange): Promise<void> {
    await this.endNext([], change);
  }

  // Locks all rows before the first update locks the audit trail. A creation takes the two locks in
  // this order; the reverse order would deadlock with it.
  private async endNext(first: readonly IssuedKeyState[], change: KeyChange): Promise<void> {
    const keys = [...first];
    const walk = this.walk.copy();
    while (!walk.isOver && keys.length < MAX_KEYS_PER_CHANGE)
      keys.push(...(await walk.next(change)));
    const good = keys.filter(({ hasEnded }) => !hasEnded);
    const isKept = ({ id }: IssuedKeyState) => this.wanted.keepIssuedKeys && id !== this.id;
    const active = good.filter(({ isRevoked }) => !isRevoked);
    const ending = active.filter((key) => !isKept(key));
    const rows = await this.end(ending, change);
    // An earlier request has revoked them, but not every process may have confirmed it.
    const revokedBefore = good.filter((key) => key.isRevoked && !isKept(key));
    await announceAgain(revokedBefore, change);
    // Only now, so that a change that was rolled back leaves no trace here.
    this.walk = walk;
    this.activeIssuedKeys.push(...active.filter(isKept).map(nameOf));
    this.revokedKeys.push(...ending.filter(({ id }) => id !== this.id).map(nameOf));
    this.rows.push(...rows, ...revokedBefore);
  }

  private async end(
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
