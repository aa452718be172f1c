import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { digestKey } from '../config/root-key.js';
import { type ApiKeyUse, Prisma } from '../generated/prisma/client.js';
import { ProblemException } from '../problems/problem.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { createRowId } from '../prisma/row-id.js';
import {
  type ApiKey,
  type ApiKeyPage,
  type CheckApiKey,
  type CheckedApiKey,
  type CreateApiKey,
  type CreatedApiKey,
  type ListApiKeys,
  type RevokeApiKey,
  type RevokedApiKey,
  type RootKeysResponse,
  type RotateApiKey,
  type RotatedApiKey,
} from './api-key.schemas.js';
import {
  type ApiKeyRow,
  WITHOUT_DIGEST,
  statusOf,
  toApiKey,
  toLastUse,
} from './api-key-response.js';
import { generateApiKey, hintOf } from './api-key-format.js';
import { type Budget, type KeyAdmin, actorOf, budgetsOf, ownBudget } from './principal.js';
import {
  ISSUED_KEY_COLUMNS,
  IssuedKeyReader,
  type IssuedKeyRow,
} from './key-sync/issued-key-rows.js';
import {
  type Grant,
  type Lifetime,
  checkGrant,
  lockKeys,
  newLifetime,
  successorLifetime,
} from './grants.js';
import { reserveIdempotencyKey } from './idempotent-requests.js';
import { IssuedKeyCache } from './issued-key-cache.js';
import { type KeyChange, KeyChanges } from './key-changes.js';
import { KeyPropagation, announceAgain } from './key-propagation.js';
import { KeyRevocation } from './key-revocation.js';
import { KeyVerifier, keyIdOf } from './key-verifier.js';
import { RootKeyStore } from './root-key-store.js';

interface NewKey extends Grant, Lifetime {
  readonly id: string;
  readonly name: string;
  readonly note: string | null;
  /** Undefined if requests count only against the key's own budget. */
  readonly budgets: readonly Budget[] | undefined;
  readonly predecessorId?: string;
}

/** Issues, shows, rotates and revokes keys for a caller. */
@Injectable()
export class ApiKeysService {
  private readonly environment: Environment['API_KEY_ENVIRONMENT'];
  private readonly defaultRateLimit: number;

  constructor(
    private readonly prisma: PrismaService,
    private readonly changes: KeyChanges,
    private readonly propagation: KeyPropagation,
    private readonly rootKeys: RootKeyStore,
    private readonly config: ConfigService<Environment, true>,
  ) {
    this.environment = config.get('API_KEY_ENVIRONMENT', { infer: true });
    this.defaultRateLimit = config.get('KEY_RATE_LIMIT', { infer: true });
  }

  /**
   * Creates a key, and waits up to 2 s until every instance admits it. If an earlier request with
   * the same `Idempotency-Key` created a key, returns that key without its secret.
   * @throws ProblemException `GRANT_EXCEEDS_CALLER`, `IDEMPOTENCY_KEY_REUSED`
   */
  async create(
    caller: KeyAdmin,
    input: CreateApiKey,
    idempotencyKey?: string,
  ): Promise<CreatedApiKey> {
    const { row, secret } = await this.propagate(caller, async (change) => {
      await lockKeys(caller, { ids: [], includeAdmins: false }, change);
      const key = this.describeNew(input, await this.issuerOf(caller, change), change);
      if (idempotencyKey === undefined) return this.insert(caller, key, change);
      const request = { callerId: caller.keyId, idempotencyKey, body: input };
      const id = await reserveIdempotencyKey(request, key.id, change);
      if (id === key.id) return this.insert(caller, key, change);
      // A repeated request changes nothing, but waits until every instance admits the existing key.
      const existing = await this.findRow(id, change.prisma);
      await announceAgain([existing], change);
      return { row: existing, secret: null };
    });
    return { apiKey: await this.toResponse(row), secret };
  }

  /** @throws ProblemException `API_KEY_NOT_FOUND` */
  async get(id: string): Promise<ApiKey> {
    return this.toResponse(await this.findRow(id));
  }

  /** Returns a page of all keys, including expired and revoked ones, oldest first. */
  async list({ limit, cursor }: ListApiKeys): Promise<ApiKeyPage> {
    const rows = await this.prisma.apiKey.findMany({
      where: cursor === undefined ? {} : { id: { gt: cursor } },
      orderBy: { id: 'asc' },
      // The extra row shows whether there is a next page.
      take: limit + 1,
      ...WITHOUT_DIGEST,
    });
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const lastUses = await this.findLastUses(page);
    const now = new Date();
    return {
      apiKeys: page.map((row) => toApiKey(row, now, lastUses.get(row.id))),
      nextCursor: rows.length > limit && last ? last.id : null,
    };
  }

  async listRootKeys(): Promise<RootKeysResponse> {
    const keys = this.rootKeys.all;
    const lastUses = await this.findLastUses(keys);
    return {
      rootKeys: keys.map(({ id, principal: { deprecatedSince } }) => ({
        id,
        current: deprecatedSince === undefined,
        deprecatedSince:
          deprecatedSince === undefined ? null : new Date(deprecatedSince).toISOString(),
        lastUse: toLastUse(lastUses.get(id)),
      })),
    };
  }

  /**
   * Creates the successor of a key. The replaced key stays valid for the grace period.
   * @throws ProblemException `API_KEY_NOT_FOUND`, `API_KEY_NOT_ACTIVE`, `API_KEY_ALREADY_ROTATED`,
   * `GRANT_EXCEEDS_CALLER`, `INVALID_REQUEST`
   */
  async rotate(caller: KeyAdmin, id: string, input: RotateApiKey): Promise<RotatedApiKey> {
    const { row, secret, predecessor } = await this.propagate(caller, async (change) => {
      const { prisma, now } = change;
      await lockKeys(caller, { ids: [id], includeAdmins: false }, change);
      const old = await this.findRow(id, prisma);
      if (old.successor !== null) throw new ProblemException('API_KEY_ALREADY_ROTATED');
      if (statusOf(old, now) !== 'active') throw new ProblemException('API_KEY_NOT_ACTIVE');
      const issuer = await this.issuerOf(caller, change);
      // The caller receives the successor's secret, so the caller must have all rights of the key.
      if (issuer !== undefined) checkGrant(issuer, old, this.defaultRateLimit);
      const { name, note, scopes, readFields, writeFields, networks, rateLimit } = old;
      const successor = {
        id: createRowId(now.getTime()),
        name,
        note,
        scopes,
        readFields,
        writeFields,
        networks,
        rateLimit,
        ...successorLifetime(old, issuer, input.expiresAt, now),
        budgets: budgetsOf(old),
        predecessorId: id,
      };
      const issued = await this.insert(caller, successor, change);
      const retiring = await prisma.apiKey.update({
        where: { id },
        data: {
          rotatedAt: now,
          retiresAt: new Date(now.getTime() + input.gracePeriodSeconds * 1000),
          retireAfterQuietSeconds: input.retireAfterQuietSeconds,
        },
        ...WITHOUT_DIGEST,
      });
      return { ...issued, predecessor: retiring };
    });
    return {
      apiKey: await this.toResponse(row),
      secret,
      predecessor: await this.toResponse(predecessor),
    };
  }

  /**
   * Revokes a key. Unless `keepIssuedKeys` is set, also revokes the keys that it issued, directly
   * or through other keys. Waits for all live instances to acknowledge that they refuse the revoked
   * keys.
   * @throws ProblemException `API_KEY_NOT_FOUND`, `LAST_WAY_IN`
   */
  async revoke(caller: KeyAdmin, id: string, input: RevokeApiKey): Promise<RevokedApiKey> {
    const revocation = new KeyRevocation(caller, id, input);
    const { propagation } = await this.propagation.propagate(
      { untilEnforced: true },
      async (blockers) => {
        const revokeNext = (change: KeyChange) => revocation.revokeNext(change);
        while (!revocation.isOver) {
          revocation.accept(await this.changes.revoke(actorOf(caller), revokeNext, blockers));
        }
        return { rows: revocation.rows };
      },
    );
    const { revokedKeys, activeIssuedKeys } = revocation;
    const confirmed = propagation.silentInstances === 0;
    return {
      apiKey: await this.get(id),
      revokedKeys,
      activeIssuedKeys,
      revocation: {
        ...propagation,
        confirmed,
        effectiveAfterMs: confirmed ? propagation.effectiveAfterMs : null,
      },
    };
  }

  /** Verifies a key as a server does, but with the row in the database instead of the cache. */
  async check({ apiKey, address }: CheckApiKey): Promise<CheckedApiKey> {
    const digest = Buffer.from(digestKey(apiKey), 'binary');
    const [row] = await this.prisma.$queryRaw<(IssuedKeyRow & { readonly now: Date })[]>`
      SELECT ${Prisma.raw(ISSUED_KEY_COLUMNS)}, now() AS now FROM api_keys WHERE digest = ${digest}`;
    const cache = new IssuedKeyCache();
    if (row !== undefined) cache.put([new IssuedKeyReader().read(row)]);
    const now = row?.now.getTime() ?? Date.now();
    const state = { now: () => now, isFresh: () => true };
    const verifier = new KeyVerifier(this.rootKeys, cache, state, this.config);
    const verdict = verifier.verify(apiKey, address);
    return { outcome: verdict.outcome, keyId: keyIdOf(verdict) };
  }

  private propagate<Change extends { readonly row: ApiKeyRow }>(
    caller: KeyAdmin,
    change: (change: KeyChange) => Promise<Change>,
  ) {
    return this.propagation.propagate({ untilEnforced: false }, async () => {
      const changed = await this.changes.run(actorOf(caller), change);
      return { ...changed, rows: [changed.row] };
    });
  }

  private async issuerOf(
    { isRoot, keyId }: KeyAdmin,
    { prisma }: KeyChange,
  ): Promise<ApiKeyRow | undefined> {
    return isRoot ? undefined : this.findRow(keyId, prisma);
  }

  private describeNew(
    { name, note, expiresAt, ...input }: CreateApiKey,
    issuer: ApiKeyRow | undefined,
    { now }: KeyChange,
  ): NewKey {
    const { scopes, readFields = [], writeFields = [], networks = [], rateLimit } = input;
    const grant = { scopes, readFields, writeFields, networks, rateLimit: rateLimit ?? null };
    if (issuer !== undefined) checkGrant(issuer, grant, this.defaultRateLimit);
    const id = createRowId(now.getTime());
    const budgets = issuer && [ownBudget(id, rateLimit), ...budgetsOf(issuer)];
    return {
      id,
      name,
      note: note ?? null,
      ...grant,
      ...newLifetime(issuer, expiresAt, now),
      budgets,
    };
  }

  private async insert(
    caller: KeyAdmin,
    key: NewKey,
    { prisma, now }: KeyChange,
  ): Promise<{ row: ApiKeyRow; secret: string }> {
    await this.requireMatchingServer(prisma);
    const secret = generateApiKey(this.environment);
    const row = await prisma.apiKey.create({
      data: {
        ...key,
        digest: new Uint8Array(hash('sha256', secret, 'buffer')),
        hint: hintOf(secret),
        environment: this.environment,
        createdAt: now,
        createdBy: caller.keyId,
      },
      ...WITHOUT_DIGEST,
    });
    return { row, secret };
  }

  /**
   * Refuses to issue keys that no running server admits, for example because the `.env` of a
   * workstation sets another `API_KEY_ENVIRONMENT`. Each server's environment is in the
   * `application_name` of its key sync connection.
   */
  private async requireMatchingServer(prisma: KeyChange['prisma']): Promise<void> {
    const servers = await prisma.$queryRaw<{ environment: string }[]>`
      SELECT DISTINCT split_part(application_name, ' ', 3) AS environment
      FROM pg_stat_activity JOIN instances ON instances.id = split_part(application_name, ' ', 2)
      WHERE datname = current_database() AND application_name LIKE 'latchkey-key-sync %'`;
    const accepted = servers.map(({ environment }) => environment);
    if (accepted.length === 0 || accepted.includes(this.environment)) return;
    const message = `the running servers admit ${accepted.join(', ')} keys, but this process issues ${this.environment} keys: set API_KEY_ENVIRONMENT=${accepted[0]}`;
    throw new ProblemException('KEY_ENVIRONMENT_MISMATCH', {
      errors: [{ path: 'environment', message }],
    });
  }

  private async findRow(id: string, prisma: KeyChange['prisma'] = this.prisma): Promise<ApiKeyRow> {
    const row = await prisma.apiKey.findUnique({ where: { id }, ...WITHOUT_DIGEST });
    if (row === null) throw new ProblemException('API_KEY_NOT_FOUND');
    return row;
  }

  private async toResponse(row: ApiKeyRow): Promise<ApiKey> {
    return toApiKey(row, new Date(), (await this.findLastUses([row])).get(row.id));
  }

  private async findLastUses(keys: readonly { id: string }[]): Promise<Map<string, ApiKeyUse>> {
    const keyIds = keys.map(({ id }) => id);
    const uses = await this.prisma.apiKeyUse.findMany({ where: { keyId: { in: keyIds } } });
    return new Map(uses.map((use) => [use.keyId, use]));
  }
}
