import { Injectable } from '@nestjs/common';
import type { Prisma } from '../generated/prisma/client.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { USER_FIELDS, WRITABLE_USER_FIELDS } from '../users/user.schemas.js';
import type { ApiKey } from './api-key.schemas.js';
import { lineageEnd } from './grants.js';
import { SCOPES } from './scopes.js';

/** The columns of a key that responses may contain: not the digest. */
export const API_KEY_SELECT = {
  id: true,
  hint: true,
  environment: true,
  name: true,
  note: true,
  scopes: true,
  readFields: true,
  writeFields: true,
  networks: true,
  rateLimit: true,
  budgets: true,
  createdAt: true,
  createdBy: true,
  expiresAt: true,
  lineageEndsAt: true,
  predecessorId: true,
  successor: { select: { id: true } },
  rotatedAt: true,
  retiresAt: true,
  retireAfterQuietSeconds: true,
  revokedAt: true,
  revokedBy: true,
  revocationReason: true,
  revision: true,
} as const satisfies Prisma.ApiKeySelect;

export type ApiKeyRow = Prisma.ApiKeyGetPayload<{ select: typeof API_KEY_SELECT }>;

/** A key as answers show it, at a time and with what is known of its last use. */
export function toApiKey(row: ApiKeyRow, now: Date, lastUse: LastUse | undefined): ApiKey {
  const { id, name, hint, environment, note, networks, rateLimit, createdBy, predecessorId } = row;
  return {
    id,
    name,
    hint,
    environment,
    status: statusOf(row, now),
    scopes: SCOPES.filter((scope) => row.scopes.includes(scope)),
    readFields: limitOf(row.readFields, USER_FIELDS),
    writeFields: limitOf(row.writeFields, WRITABLE_USER_FIELDS),
    networks,
    rateLimit,
    note,
    createdAt: row.createdAt.toISOString(),
    createdBy,
    expiresAt: row.expiresAt.toISOString(),
    lineageEndsAt: lineageEnd(row).toISOString(),
    predecessorId,
    successorId: row.successor?.id ?? null,
    rotatedAt: row.rotatedAt?.toISOString() ?? null,
    retiresAt: row.retiresAt?.toISOString() ?? null,
    retireAfterQuietSeconds: row.retireAfterQuietSeconds,
    revokedAt: row.revokedAt?.toISOString() ?? null,
    revokedBy: row.revokedBy,
    revocationReason: row.revocationReason,
    lastUse: toLastUseResponse(lastUse),
  };
}

export function toLastUseResponse(lastUse: LastUse | undefined): ApiKey['lastUse'] {
  return lastUse ? { ...lastUse, at: lastUse.at.toISOString() } : null;
}

export function statusOf(
  { revokedAt, expiresAt, retiresAt }: Pick<ApiKeyRow, 'revokedAt' | 'expiresAt' | 'retiresAt'>,
  now: Date,
): ApiKey['status'] {
  if (revokedAt !== null) return 'revoked';
  if (expiresAt <= now) return 'expired';
  if (retiresAt === null) return 'active';
  return retiresAt <= now ? 'retired' : 'retiring';
}

/** The known fields of a limit; null if it is empty and allows all. */
function limitOf<Field extends string>(limit: readonly string[], fields: readonly Field[]) {
  return limit.length === 0 ? null : fields.filter((field) => limit.includes(field));
}

/** When, from where and by which client a key was last used. */
interface LastUse {
  readonly at: Date;
  /** The caller's address. */
  readonly source: string;
  readonly client: string | null;
}

/** The last use of each key, as `LastUseRecorder` of some process has written it down. */
@Injectable()
export class LastUses {
  constructor(private readonly prisma: PrismaService) {}

  /** Of the keys that were ever used. */
  async find(keyIds: readonly string[]): Promise<Map<string, LastUse>> {
    const rows = await this.prisma.apiKeyUse.findMany({ where: { keyId: { in: [...keyIds] } } });
    return new Map(
      rows.map(({ keyId, lastUsedAt, source, clientName }) => [
        keyId,
        { at: lastUsedAt, source, client: clientName },
      ]),
    );
  }
}
