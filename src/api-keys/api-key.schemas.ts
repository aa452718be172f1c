import { z } from 'zod';
import { KEY_ENVIRONMENTS } from '../config/key-environment.js';
import { pageLimitQuerySchema } from '../http/page-limit.js';
import { readableText } from '../http/readable-text.js';
import { timestampSchema } from '../time.js';
import { userFieldSchema, writableUserFieldSchema } from '../users/user.schemas.js';
import { networkSchema } from './network.js';
import { SCOPES } from './scopes.js';

const DAY_SECONDS = 86_400;

/** The largest permitted value of `gracePeriodSeconds` and of `retireAfterQuietSeconds`. */
export const MAX_GRACE_SECONDS = 30 * DAY_SECONDS;
export const MIN_QUIET_SECONDS = 60;
export const MAX_RATE_LIMIT = 10_000_000;

/** The maximum lifetime of a key, and the maximum duration of a lineage of successive keys. */
export const MAX_LIFETIME_DAYS = 366;
export const DEFAULT_LIFETIME_DAYS = 90;
export const DEFAULT_GRACE_SECONDS = DAY_SECONDS;

export const apiKeyIdSchema = z
  .uuid('must be the id of a key')
  .meta({ example: '019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90' });
const scopeSchema = z.enum(SCOPES, { error: `must be one of ${SCOPES.join(', ')}` });
const secretSchema = z.string().meta({
  description: 'The key itself, for the header X-API-Key. Only this response contains it.',
  example: 'lk_live_0A1b2C3d4E5f6G7h8I9j0K1l2M3n4O0k4pZq',
});

const wholeNumber = (minimum: number, maximum: number, unit: string) =>
  z
    .int(`must be a whole number from ${minimum} to ${maximum}`)
    .min(minimum, `must be at least ${minimum} ${unit}`)
    .max(maximum, `must be at most ${maximum} ${unit}`);

function distinct<Item extends z.ZodType>(item: Item) {
  return z
    .array(item)
    .min(1)
    .max(100)
    .refine((items) => new Set(items).size === items.length, 'must not repeat an entry')
    .meta({ uniqueItems: true });
}

/** The time, the source and the client of the last use of a key. New uses appear within 5 s. */
const lastUseSchema = z
  .object({
    at: timestampSchema,
    source: z.string().meta({ description: 'IP address of the caller.', example: '10.1.2.3' }),
    client: z.string().nullable().meta({
      description: 'First product of the caller’s `User-Agent` header.',
      example: 'latchkey-mcp/0.1.0',
    }),
  })
  .meta({ id: 'LastUse' });

/** An issued key in responses: everything but the secret. */
const apiKeySchema = z
  .object({
    id: apiKeyIdSchema,
    name: z.string(),
    hint: z
      .string()
      .meta({ description: 'The beginning of the secret.', example: 'lk_live_0A1b…' }),
    environment: z.enum(KEY_ENVIRONMENTS),
    status: z.enum(['active', 'retiring', 'retired', 'expired', 'revoked']).meta({
      description: 'Only active and retiring keys are accepted. A retiring key has a successor.',
    }),
    scopes: z.array(scopeSchema),
    readFields: z.array(userFieldSchema).nullable().meta({
      description: 'User fields that the key may read besides the id; null for all.',
    }),
    writeFields: z.array(writableUserFieldSchema).nullable().meta({
      description: 'User fields that the key may write; null for all.',
    }),
    networks: z
      .array(z.string())
      .meta({ description: 'CIDR blocks that the key is accepted from; empty for any.' }),
    rateLimit: z
      .int()
      .nullable()
      .meta({ description: 'Requests per minute; null for the default.' }),
    note: z.string().nullable(),
    createdAt: timestampSchema,
    createdBy: z
      .string()
      .meta({ description: 'Id of the issuing key, or the operator of the command line.' }),
    expiresAt: timestampSchema,
    lineageEndsAt: timestampSchema.meta({
      description:
        'Latest possible expiry of a successor, unless a root key or the command line creates it.',
    }),
    predecessorId: z.string().nullable(),
    successorId: z.string().nullable(),
    rotatedAt: timestampSchema.nullable(),
    retiresAt: timestampSchema.nullable().meta({ description: 'The end of the grace period.' }),
    retireAfterQuietSeconds: z.int().nullable(),
    revokedAt: timestampSchema.nullable(),
    revokedBy: z.string().nullable(),
    revocationReason: z.string().nullable(),
    lastUse: lastUseSchema.nullable(),
  })
  .meta({ id: 'ApiKey' });

export const apiKeyResponseSchema = z
  .object({ apiKey: apiKeySchema })
  .meta({ id: 'ApiKeyResponse' });

export const createdApiKeySchema = z
  .object({
    apiKey: apiKeySchema,
    secret: secretSchema.nullable().meta({
      description:
        'Null in the response to a repeated request. Rotate the key to get a new secret.',
    }),
  })
  .meta({ id: 'CreatedApiKey' });

export const rotatedApiKeySchema = z
  .object({ apiKey: apiKeySchema, secret: secretSchema, predecessor: apiKeySchema })
  .meta({ id: 'RotatedApiKey' });

const namedApiKeySchema = z
  .object({ id: apiKeyIdSchema, name: z.string() })
  .meta({ id: 'NamedApiKey' });

export const revokedApiKeySchema = z
  .object({
    apiKey: apiKeySchema,
    revokedKeys: z.array(namedApiKeySchema).meta({
      description:
        'Keys that were also revoked, because the revoked key issued them, directly or through other keys.',
    }),
    activeIssuedKeys: z.array(namedApiKeySchema).meta({
      description:
        'Keys that the revoked key issued, directly or through other keys, and that are still accepted.',
    }),
    revocation: z.object({
      confirmed: z.boolean().meta({
        description:
          'Whether every live instance has acknowledged that it refuses the revoked keys. An instance without an acknowledgement refuses these keys within 5 s.',
      }),
      instances: z.int().meta({ description: 'Live instances that acknowledged the revocation.' }),
      silentInstances: z
        .int()
        .meta({ description: 'Live instances that did not acknowledge the revocation.' }),
      effectiveAfterMs: z.number().nullable().meta({
        description:
          'Milliseconds from the request to the last acknowledgement; null if not confirmed.',
      }),
    }),
  })
  .meta({ id: 'RevokedApiKey' });

export const apiKeyPageSchema = z
  .object({ apiKeys: z.array(apiKeySchema), nextCursor: z.string().nullable() })
  .meta({ id: 'ApiKeyPage' });

export const rootKeysResponseSchema = z
  .object({
    rootKeys: z.array(
      z
        .object({
          id: z.string().meta({ example: 'root_1a2b3c4d' }),
          current: z.boolean().meta({ description: 'Whether operators should use this root key.' }),
          deprecatedSince: timestampSchema.nullable(),
          lastUse: lastUseSchema.nullable(),
        })
        .meta({ id: 'RootKey' }),
    ),
  })
  .meta({ id: 'RootKeysResponse' });

const expirySchema = timestampSchema
  .transform((text) => new Date(text))
  .refine(isWithinLifetime, `must be in the future, at most ${MAX_LIFETIME_DAYS} days from now`)
  .meta({ type: 'string', format: 'date-time' });

export const createApiKeySchema = z
  .strictObject({
    name: readableText(100).meta({ example: 'mcp-server' }),
    scopes: distinct(scopeSchema),
    readFields: distinct(userFieldSchema).optional(),
    writeFields: distinct(writableUserFieldSchema).optional(),
    networks: distinct(networkSchema).optional(),
    rateLimit: wholeNumber(1, MAX_RATE_LIMIT, 'per minute')
      .optional()
      .meta({ description: 'Requests per minute. Default: `KEY_RATE_LIMIT`.' }),
    expiresAt: expirySchema.optional().meta({
      description: `Expiry of the key. Default: in ${DEFAULT_LIFETIME_DAYS} days. A key that an issued key creates cannot outlive the issued key.`,
    }),
    note: readableText(500).optional(),
  })
  // The example omits `expiresAt`, because any fixed time will be in the past eventually.
  .meta({ id: 'CreateApiKey', example: { name: 'mcp-server', scopes: ['users:read'] } });

export const rotateApiKeySchema = z
  .strictObject({
    gracePeriodSeconds: wholeNumber(0, MAX_GRACE_SECONDS, 's')
      .default(DEFAULT_GRACE_SECONDS)
      .meta({ description: 'How long the replaced key is still accepted.' }),
    retireAfterQuietSeconds: wholeNumber(MIN_QUIET_SECONDS, MAX_GRACE_SECONDS, 's')
      .optional()
      .meta({
        description:
          'Ends the grace period early, once the successor is in use and the replaced key has been idle for this many seconds.',
      }),
    expiresAt: expirySchema.optional().meta({
      description: `Expiry of the successor. Default: in ${DEFAULT_LIFETIME_DAYS} days, but not after its lineage ends.`,
    }),
  })
  .prefault({})
  .meta({ id: 'RotateApiKey' });

export const revokeApiKeySchema = z
  .strictObject({
    reason: readableText(500).optional(),
    keepIssuedKeys: z.boolean().default(false).meta({
      description:
        'Revokes only the key itself, not the keys that it issued, directly or through other keys.',
    }),
  })
  .prefault({})
  .meta({ id: 'RevokeApiKey' });

export const checkApiKeySchema = z
  .strictObject({
    apiKey: z.string().max(1000).meta({ description: 'The issued or root key to check.' }),
    address: z
      .union([z.ipv4(), z.ipv6()], 'must be an IP address')
      .meta({ description: 'IP address that the key is sent from.', example: '10.1.2.3' }),
  })
  .meta({ id: 'CheckApiKey' });

export const checkedApiKeySchema = z
  .object({
    outcome: z.string().meta({
      description: '`admitted`, or the reason for the refusal.',
      example: 'expired',
    }),
    keyId: z.string().nullable().meta({ description: 'Null if the key is unknown.' }),
  })
  .meta({ id: 'CheckedApiKey' });

export const apiKeyParametersSchema = z.strictObject({ id: apiKeyIdSchema });

export const listApiKeysSchema = z.strictObject({
  limit: pageLimitQuerySchema,
  cursor: apiKeyIdSchema.optional().meta({ description: '`nextCursor` of the previous page.' }),
});

export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters');

export type ApiKey = z.infer<typeof apiKeySchema>;
export type CreatedApiKey = z.infer<typeof createdApiKeySchema>;
export type RotatedApiKey = z.infer<typeof rotatedApiKeySchema>;
export type NamedApiKey = z.infer<typeof namedApiKeySchema>;
export type RevokedApiKey = z.infer<typeof revokedApiKeySchema>;
export type ApiKeyPage = z.infer<typeof apiKeyPageSchema>;
export type RootKeysResponse = z.infer<typeof rootKeysResponseSchema>;
export type CreateApiKey = z.output<typeof createApiKeySchema>;
export type RotateApiKey = z.output<typeof rotateApiKeySchema>;
export type RevokeApiKey = z.output<typeof revokeApiKeySchema>;
export type CheckApiKey = z.output<typeof checkApiKeySchema>;
export type CheckedApiKey = z.infer<typeof checkedApiKeySchema>;
export type ListApiKeys = z.output<typeof listApiKeysSchema>;
export type ApiKeyParameters = z.output<typeof apiKeyParametersSchema>;

function isWithinLifetime(expiresAt: Date): boolean {
  const days = (expiresAt.getTime() - Date.now()) / (DAY_SECONDS * 1000);
  return days > 0 && days <= MAX_LIFETIME_DAYS;
}
