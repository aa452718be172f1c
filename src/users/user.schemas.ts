import { USER_ID } from '@latchkey/access-tokens/user-id';
import { z } from 'zod';
import { pageLimitQuerySchema, pageLimitSchema } from '../http/page-limit.js';
import { EXAMPLE_ACCOUNT, accountListSchema } from './account.schemas.js';
import { EXAMPLE_USER, emailSchema, fieldsWith, phoneSchema, userIdSchema } from './user-fields.js';

const MAX_IDS = 100;

/** A user with all fields, for `GET /api/auth/me`. */
const userSchema = z
  .object(fieldsWith('response'))
  .meta({ id: 'CurrentUser', example: EXAMPLE_USER });

export const currentUserResponseSchema = z
  .object({ user: userSchema })
  .meta({ id: 'CurrentUserResponse' });

/** A user with the fields that the calling key may read. */
const visibleUserSchema = userSchema.partial().required({ id: true }).meta({
  id: 'User',
  description: 'A user with the fields that the key may read.',
  example: EXAMPLE_USER,
});

/** A field that `readFields` of a key may contain. The id is always readable. */
export const userFieldSchema = userSchema.keyof().exclude(['id']);
export const USER_FIELDS = userFieldSchema.options;
export type UserField = z.infer<typeof userFieldSchema>;

export const userParametersSchema = z.strictObject({ id: userIdSchema });

export const userResponseSchema = z
  .object({ user: visibleUserSchema })
  .meta({ id: 'UserResponse' });

export const userWithAccountsSchema = userResponseSchema
  .extend({
    accounts: accountListSchema.optional().meta({ description: 'Only with `include=accounts`.' }),
  })
  .meta({ id: 'UserWithAccounts' });

export const userPageSchema = z
  .object({
    users: z.array(visibleUserSchema),
    nextCursor: z.string().nullable().meta({
      description: '`cursor` of the next page; null on the last page.',
    }),
  })
  .meta({ id: 'UserPage' });

export const userPageWithAccountsSchema = userPageSchema
  .extend({
    accounts: z
      .record(z.string(), accountListSchema)
      .optional()
      .meta({
        description: 'Only with `include=accounts`: the accounts of each user, by user id.',
        example: { [EXAMPLE_USER.id]: [EXAMPLE_ACCOUNT] },
      }),
  })
  .meta({ id: 'UserPageWithAccounts' });

export const createUserSchema = z.strictObject(fieldsWith('create')).meta({ id: 'CreateUser' });

const writableFieldsSchema = z.strictObject(fieldsWith('update'));

/** A field that `writeFields` of a key may contain. */
export const writableUserFieldSchema = writableFieldsSchema.keyof();
export const WRITABLE_USER_FIELDS = writableUserFieldSchema.options;

export const updateUserSchema = writableFieldsSchema
  .partial()
  .refine((changes) => Object.keys(changes).length > 0, 'must change at least one field')
  .meta({ id: 'UpdateUser', minProperties: 1 });

const includeSchema = z.enum(['accounts']).meta({
  description: '`accounts` adds the accounts of the user. It requires the scope `accounts:read`.',
});

export const getUserQuerySchema = z.strictObject({ include: includeSchema.optional() });

/** The id of the last user of the previous page, encoded so that clients do not interpret it. */
const cursorSchema = z
  .base64url('must be the nextCursor of an earlier response')
  .max(100)
  .transform((cursor) => Buffer.from(cursor, 'base64url').toString())
  .pipe(userIdSchema.or(z.never('must be the nextCursor of an earlier response')))
  .meta({ description: '`nextCursor` of the previous page.' });

export const encodeCursor = (lastId: string): string => Buffer.from(lastId).toString('base64url');

export const listUsersSchema = z
  .strictObject({
    ids: z
      .string()
      .transform((ids) => ids.split(','))
      .pipe(z.array(userIdSchema).max(MAX_IDS))
      .optional()
      .meta({
        type: 'array',
        items: { type: 'string', pattern: USER_ID.source },
        maxItems: MAX_IDS,
        description: 'Ids, separated by commas. Cannot be combined with `cursor`.',
        example: ['12345', '12346'],
      }),
    include: includeSchema.optional().meta({
      description:
        'Only with `ids`: `accounts` adds the accounts of the users. It requires the scope `accounts:read`.',
    }),
    limit: pageLimitQuerySchema,
    cursor: cursorSchema.optional(),
  })
  .refine(({ ids, include }) => ids !== undefined || include === undefined, {
    path: ['include'],
    error: 'cannot be used without ids',
  })
  .refine(({ ids, cursor }) => ids === undefined || cursor === undefined, {
    path: ['cursor'],
    error: 'cannot be combined with ids',
  });

export const searchUsersSchema = z
  .strictObject({
    email: emailSchema.optional(),
    phone: phoneSchema.optional(),
    limit: pageLimitSchema,
    cursor: cursorSchema.optional(),
  })
  .refine(
    ({ email, phone }) => (email === undefined) !== (phone === undefined),
    'must have exactly one of email and phone',
  )
  .meta({
    id: 'SearchUsers',
    example: { email: EXAMPLE_USER.email },
    oneOf: [{ required: ['email'] }, { required: ['phone'] }],
  });

export type UserParameters = z.infer<typeof userParametersSchema>;
export type CreateUser = z.output<typeof createUserSchema>;
export type UpdateUser = z.output<typeof updateUserSchema>;
export type ListUsers = z.output<typeof listUsersSchema>;
export type SearchUsers = z.output<typeof searchUsersSchema>;
