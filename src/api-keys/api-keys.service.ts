import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Principal } from './principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../http/problem.js';
import { PrismaService } from '../prisma/prisma.service.js';
import {
  type ApiKeyAnswer,
  type ApiKeyPage,
  type CreateApiKey,
  type CreatedApiKey,
  DEFAULT_LIFETIME_DAYS,
  type ListApiKeys,
  type RevokeApiKey,
  type RevokedApiKey,
  type RootKeysAnswer,
  type RotateApiKey,
  type RotatedApiKey,
} from './api-key.schemas.js';
import {
  type ApiKeyRow,
  SELECTED_OF_KEY,
  statusOf,
  toApiKeyAnswer,
  toLastUseAnswer,
  userFieldsOf,
} from './api-key-answer.js';
import { generateApiKey, hintOf } from './api-key-format.js';
import { checkGrant, holdKeys } from './grants.js';
import { IdempotentRequests } from './idempotent-requests.js';
import { type KeyChange, KeyChanges } from './key-changes.js';
import { KeyPropagation } from './key-propagation.js';
import { LastUses } from './last-uses.js';
import { RootKeyRing } from './root-key-ring.js';
import { SCOPES } from './scopes.js';

const DAY_MS = 86_400_000;

/**
 * Issues, shows, rotates and revokes keys, on behalf of a caller. Every method throws a `ProblemException` for what the
 * caller got wrong.
 */
@Injectable()
export class ApiKeysService {
  private readonly environment: Environment['API_KEY_ENVIRONMENT'];

  constructor(
    private readonly prisma: PrismaService,
    private readonly changes: KeyChanges,
    private readonly requests: IdempotentRequests,
    private readonly propagation: KeyPropagation,
    private readonly lastUses: LastUses,
    private readonly rootKeys: RootKeyRing,
    config: ConfigService<Environment, true>,
  ) {
    this.environment = config.get('API_KEY_ENVIRONMENT', { infer: true });
  }

  /**
   * Makes a key, which is good everywhere when it is answered with. With an idempotency key, a repetition answers with the
   * same key, but without its secret.
   * @throws ProblemException `GRANT_EXCEEDS_CALLER`, `IDEMPOTENCY_KEY_REUSED`
   */
  async create(
    caller: Principal,
    wanted: CreateApiKey,
    idempotencyKey?: string,
  ): Promise<CreatedApiKey> {
    const { row, secret } = await this.propagate(caller, async (change) => {
      await holdKeys(caller, { ids: [], managersToo: false }, change);
      await checkGrant(caller, wanted, change);
      const insert = () => this.insert(caller, wanted, change);
      if (idempotencyKey === undefined) return insert();
      return this.requests.once(change, caller.keyId, idempotencyKey, wanted, insert, (id) =>
        this.announced(id, change),
      );
    });
    return { apiKey: await this.answer(row), secret };
  }

  /** @throws ProblemException `API_KEY_NOT_FOUND` */
  async get(id: string): Promise<ApiKeyAnswer> {
    return this.answer(await this.row(id));
  }

  /** A page of all keys, also those that have ended, oldest first. */
  async list({ limit, cursor }: ListApiKeys): Promise<ApiKeyPage> {
    const rows = await this.prisma.apiKey.findMany({
      where: cursor === undefined ? {} : { id: { gt: cursor } },
      orderBy: { id: 'asc' },
      // One more than asked for tells whether there is a next page.
      take: limit + 1,
      select: SELECTED_OF_KEY,
    });
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const lastUses = await this.lastUses.find(page.map(({ id }) => id));
    const now = new Date();
    return {
      apiKeys: page.map((row) => toApiKeyAnswer(row, now, lastUses.get(row.id))),
      nextCursor: rows.length > limit && last ? last.id : null,
    };
  }

  /** The root keys that are in force in this process. */
  async listRootKeys(): Promise<RootKeysAnswer> {
    const keys = this.rootKeys.all;
    const lastUses = await this.lastUses.find(keys.map(({ id }) => id));
    return {
      rootKeys: keys.map(({ id, principal: { deprecatedSince } }) => ({
        id,
        current: deprecatedSince === undefined,
        deprecatedSince:
          deprecatedSince === undefined ? null : new Date(deprecatedSince).toISOString(),
        lastUse: toLastUseAnswer(lastUses.get(id)),
      })),
    };
  }

  /**
   * Makes the successor of a key, which stays good for the grace period.
   * @throws ProblemException `API_KEY_NOT_FOUND`, `API_KEY_NOT_ACTIVE`, `API_KEY_ALREADY_ROTATED`,
   * `GRANT_EXCEEDS_CALLER`
   */
  async rotate(caller: Principal, id: string, wanted: RotateApiKey): Promise<RotatedApiKey> {
    const { row, secret, predecessor } = await this.propagate(caller, async (change) => {
      const { prisma, now } = change;
      await holdKeys(caller, { ids: [id], managersToo: false }, change);
      const old = await this.row(id, prisma);
      if (old.successor !== null) throw new ProblemException('API_KEY_ALREADY_ROTATED');
      if (statusOf(old, now) !== 'active') throw new ProblemException('API_KEY_NOT_ACTIVE');
      const successor = describe(old);
      // Whoever rotates a key gets to know the new secret.
      await checkGrant(caller, successor, change);
      const { expiresAt } = wanted;
      const issued = await this.insert(caller, { ...successor, expiresAt }, change, id);
      const retiring = await prisma.apiKey.update({
        where: { id },
        data: {
          rotatedAt: now,
          retiresAt: new Date(now.getTime() + wanted.gracePeriodSeconds * 1000),
          retireAfterQuietSeconds: wanted.retireAfterQuietSeconds,
        },
        select: SELECTED_OF_KEY,
      });
      return { ...issued, predecessor: retiring };
    });
    return {
      apiKey: await this.answer(row),
      secret,
      predecessor: await this.answer(predecessor),
    };
  }

  /**
   * Ends a key, and waits until every live process refuses it.
   * @throws ProblemException `API_KEY_NOT_FOUND`, `LAST_WAY_IN`
   */
  async revoke(caller: Principal, id: string, { reason }: RevokeApiKey): Promise<RevokedApiKey> {
    const revoke = async (change: KeyChange) => {
      await holdKeys(caller, { ids: [id], managersToo: !caller.isRoot }, change);
      if (!caller.isRoot) await refuseLastWayIn(id, change);
      const known = await this.row(id, change.prisma);
      if (known.revokedAt !== null) return this.announced(id, change);
      const revoked = await change.prisma.apiKey.update({
        where: { id },
        data: { revokedAt: change.now, revokedBy: caller.keyId, revocationReason: reason ?? null },
        select: SELECTED_OF_KEY,
      });
      return { row: revoked };
    };
    const { row, propagation } = await this.propagation.confirm(async (blockers) => {
      const change = await this.changes.revoke(caller.keyId, revoke, blockers);
      return { ...change, rows: [change.row] };
    });
    const confirmed = propagation.silentInstances === 0;
    return {
      apiKey: await this.answer(row),
      revocation: {
        ...propagation,
        confirmed,
        effectiveAfterMs: confirmed ? propagation.effectiveAfterMs : null,
      },
    };
  }

  private propagate<Change extends { readonly row: ApiKeyRow }>(
    caller: Principal,
    change: (change: KeyChange) => Promise<Change>,
  ) {
    return this.propagation.publish(async () => {
      const made = await this.changes.run(caller.keyId, change);
      return { ...made, rows: [made.row] };
    });
  }

  /** A repeated request changes nothing, but has every process confirm once more. */
  private async announced(
    id: string,
    change: KeyChange,
  ): Promise<{ row: ApiKeyRow; secret: null }> {
    const row = await this.row(id, change.prisma);
    await this.propagation.announceAgain(row, change);
    return { row, secret: null };
  }

  private async insert(
    caller: Principal,
    wanted: CreateApiKey,
    { prisma, now }: KeyChange,
    predecessorId?: string,
  ): Promise<{ row: ApiKeyRow; secret: string }> {
    const secret = generateApiKey(this.environment);
    const row = await prisma.apiKey.create({
      data: {
        ...wanted,
        predecessorId,
        expiresAt: wanted.expiresAt ?? new Date(now.getTime() + DEFAULT_LIFETIME_DAYS * DAY_MS),
        digest: new Uint8Array(hash('sha256', secret, 'buffer')),
        hint: hintOf(secret),
        environment: this.environment,
        createdAt: now,
        createdBy: caller.keyId,
      },
      select: SELECTED_OF_KEY,
    });
    return { row, secret };
  }

  private async row(id: string, prisma: KeyChange['prisma'] = this.prisma): Promise<ApiKeyRow> {
    const row = await prisma.apiKey.findUnique({ where: { id }, select: SELECTED_OF_KEY });
    if (row === null) throw new ProblemException('API_KEY_NOT_FOUND');
    return row;
  }

  private async answer(row: ApiKeyRow): Promise<ApiKeyAnswer> {
    return toApiKeyAnswer(row, new Date(), (await this.lastUses.find([row.id])).get(row.id));
  }
}

/** What a successor has in common with a key. */
function describe(row: ApiKeyRow) {
  const { name, note, scopes, networks, rateLimit } = row;
  return {
    name,
    note: note ?? undefined,
    scopes: SCOPES.filter((scope) => scopes.includes(scope)),
    userFields: userFieldsOf(row),
    networks: networks.length === 0 ? undefined : networks,
    rateLimit: rateLimit ?? undefined,
  };
}

/** Keys that can manage keys must not end one another until none is left. One that retires soon, and can't be rotated again, is none. */
async function refuseLastWayIn(id: string, { prisma, now }: KeyChange): Promise<void> {
  const managers = await prisma.$queryRaw<{ id: string }[]>`
    SELECT id FROM api_keys
    WHERE 'keys:write' = ANY(scopes) AND revoked_at IS NULL AND retires_at IS NULL AND expires_at > ${now}`;
  if (managers.length === 1 && managers[0]?.id === id) throw new ProblemException('LAST_WAY_IN');
}
