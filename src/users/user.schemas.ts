import { parsePhoneNumberFromString } from 'libphonenumber-js';
import { z } from 'zod';
import { pageLimitQuerySchema, pageLimitSchema } from '../http/page-limit.js';
import { readableText } from '../http/readable-text.js';

const MAX_IDS = 100;

const EXAMPLE_USER = {
  id: '12345',
  email: 'user@example.com',
  name: 'John Doe',
  phone: '+12025550123',
  roles: ['customer'],
  permissions: ['read', 'transact', 'configure'],
  createdAt: '2025-01-01T00:00:00.000Z',
  lastLoginAt: '2025-01-15T10:30:00.000Z',
};

export const userIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -')
  .meta({ description: 'A user’s id.', example: EXAMPLE_USER.id });

/** The id of a user, or the account name or email address of an operator. */
export const actingUserSchema = z
  .string()
  .regex(/^[A-Za-z0-9_.@+-]{1,64}$/, 'must be 1 to 64 characters of A-Z, a-z, 0-9, _ . @ + and -');

// The database compares emails in lower case, so that two users can't differ by case alone.
const emailSchema = z
  .string()
  .trim()
  .max(254)
  .pipe(z.email('must be an email address'))
  // Afterwards, since some letters outside ASCII have one of ASCII as their lower case.
  .transform((email) => email.toLowerCase())
  .meta({ format: 'email', example: EXAMPLE_USER.email });

// The library takes up to 17 digits.
const E164 = /^\+[1-9]\d{1,14}$/;

const phoneSchema = z
  .string()
  .max(32)
  .transform((text, context) => {
    const number = parsePhoneNumberFromString(text, { extract: false });
    if (number?.isValid() && number.ext === undefined && E164.test(number.number))
      return number.number;
    context.addIssue({
      code: 'custom',
      message: 'must be a valid phone number with its country code (E.164)',
    });
    return z.NEVER;
  })
  .meta({ description: 'E.164, such as +12025550123.', example: EXAMPLE_USER.phone });

const nameSchema = readableText(200).meta({ example: EXAMPLE_USER.name });

const labelsSchema = z
  .array(z.string().regex(/^[a-z][a-z0-9:_-]{0,63}$/, 'must be a lower-case word'))
  .max(64)
  .refine((labels) => new Set(labels).size === labels.length, 'must not repeat a word')
  .meta({ uniqueItems: true });

const rolesSchema = labelsSchema.meta({ example: EXAMPLE_USER.roles });
const permissionsSchema = labelsSchema.meta({ example: EXAMPLE_USER.permissions });

const timestampSchema = z.iso.datetime({ error: 'must be an ISO 8601 time in UTC' });

/** A user as every answer shows one: exactly these fields, in this order. */
export const userSchema = z
  .object({
    id: userIdSchema,
    email: z.string(),
    name: z.string(),
    phone: z.string().nullable().meta({ description: 'E.164, or null.' }),
    roles: z.array(z.string()),
    permissions: z.array(z.string()),
    createdAt: timestampSchema,
    lastLoginAt: timestampSchema.nullable(),
  })
  .meta({ id: 'User', example: EXAMPLE_USER });

/** A field of a user that a key may be kept from reading: all but the id. */
export const userFieldSchema = userSchema.keyof().exclude(['id']);
export const USER_FIELDS = userFieldSchema.options;
export type UserField = z.infer<typeof userFieldSchema>;

/** A user as a caller sees one whose key may read only some of the fields. */
export const partialUserSchema = userSchema
  .partial()
  .required({ id: true })
  .meta({ id: 'PartialUser', example: { id: EXAMPLE_USER.id, name: EXAMPLE_USER.name } });

export const userParametersSchema = z.strictObject({ id: userIdSchema });

const nextCursorSchema = z.string().nullable().meta({
  description: 'Ask again with this as `cursor` for what comes after; null at the end.',
});

export const userAnswerSchema = z.object({ user: userSchema }).meta({ id: 'UserAnswer' });

export const userPageSchema = z
  .object({ users: z.array(userSchema), nextCursor: nextCursorSchema })
  .meta({ id: 'UserPage' });

/** Responses to a key: whole users, or only the fields that the key may read. */
export const visibleUserAnswerSchema = z.union([
  userAnswerSchema,
  z.object({ user: partialUserSchema }).meta({ id: 'PartialUserAnswer' }),
]);

export const visibleUserPageSchema = z.union([
  userPageSchema,
  z
    .object({ users: z.array(partialUserSchema), nextCursor: nextCursorSchema })
    .meta({ id: 'PartialUserPage' }),
]);

export const createUserSchema = z
  .strictObject({
    id: userIdSchema.optional().meta({ description: 'Made by the server if absent.' }),
    email: emailSchema,
    name: nameSchema,
    phone: phoneSchema.nullable().optional(),
    roles: rolesSchema.optional(),
    permissions: permissionsSchema.optional(),
  })
  .meta({ id: 'CreateUser' });

const writableFieldsSchema = z.strictObject({
  email: emailSchema,
  name: nameSchema,
  phone: phoneSchema.nullable(),
  roles: rolesSchema,
  permissions: permissionsSchema,
  lastLoginAt: timestampSchema
    .refine((text) => Date.parse(text) >= 0, 'must not be before 1970')
    .nullable(),
});

/** A field of a user that a key may be kept from writing. */
export const writableUserFieldSchema = writableFieldsSchema.keyof();
export const WRITABLE_USER_FIELDS = writableUserFieldSchema.options;

export const updateUserSchema = writableFieldsSchema
  .partial()
  .refine((changes) => Object.keys(changes).length > 0, 'must change at least one field')
  .meta({ id: 'UpdateUser', minProperties: 1 });

/** Where a page starts: the id of the last user before it, encoded so that nobody depends on what it is. */
const cursorSchema = z
  .base64url('must be the nextCursor of an earlier answer')
  .max(100)
  .transform((cursor) => Buffer.from(cursor, 'base64url').toString())
  .pipe(userIdSchema.or(z.never('must be the nextCursor of an earlier answer')))
  .meta({ description: 'The `nextCursor` of the answer before.' });

export const encodeCursor = (lastId: string): string => Buffer.from(lastId).toString('base64url');

export const listUsersSchema = z
  .strictObject({
    ids: z
      .string()
      .transform((ids) => ids.split(','))
      .pipe(z.array(userIdSchema).max(MAX_IDS))
      .meta({ description: 'Ids, separated by commas, 100 at the most.', example: '12345,12346' })
      .optional(),
    limit: pageLimitQuerySchema,
    cursor: cursorSchema.optional(),
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
  .meta({ id: 'SearchUsers', oneOf: [{ required: ['email'] }, { required: ['phone'] }] });

export type UserParameters = z.infer<typeof userParametersSchema>;
export type User = z.infer<typeof userSchema>;
export type VisibleUser = z.infer<typeof visibleUserAnswerSchema>['user'];
export type CreateUser = z.output<typeof createUserSchema>;
export type UpdateUser = z.output<typeof updateUserSchema>;
export type ListUsers = z.output<typeof listUsersSchema>;
export type SearchUsers = z.output<typeof searchUsersSchema>;
