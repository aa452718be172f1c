import type { ApiKeyUse, Prisma } from '../generated/prisma/client.js';
import { USER_FIELDS, WRITABLE_USER_FIELDS } from '../users/user.schemas.js';
import type { ApiKey } from './api-key.schemas.js';
import { lineageEnd } from './grants.js';
import { SCOPES } from './scopes.js';

/** Prisma arguments that read a key for responses: without the digest, with the successor's id. */
export const WITHOUT_DIGEST = {
  omit: { digest: true },
  include: { successor: { select: { id: true } } },
} as const satisfies Prisma.ApiKeyDefaultArgs;

export type ApiKeyRow = Prisma.ApiKeyGetPayload<typeof WITHOUT_DIGEST>;

/** Converts the row of a key for a response. The key's status depends on `now`. */
export function toApiKey(row: ApiKeyRow, now: Date, lastUse: ApiKeyUse | undefined): ApiKey {
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
    lastUse: toLastUse(lastUse),
  };
}

/** @param use undefined if the key was never used */
export function toLastUse(use: ApiKeyUse | undefined): ApiKey['lastUse'] {
  if (use === undefined) return null;
  return { at: use.lastUsedAt.toISOString(), source: use.source, client: use.clientName };
}

export function statusOf(row: ApiKeyRow, now: Date): ApiKey['status'] {
  const { revokedAt, expiresAt, retiresAt } = row;
  if (revokedAt !== null) return 'revoked';
  if (expiresAt <= now) return 'expired';
  if (retiresAt === null) return 'active';
  return retiresAt <= now ? 'retired' : 'retiring';
}

/** Drops fields that this release does not know. An empty list becomes null (all fields). */
function limitOf<Field extends string>(limit: readonly string[], fields: readonly Field[]) {
  return limit.length === 0 ? null : fields.filter((field) => limit.includes(field));
}
