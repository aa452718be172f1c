import { USER_ID } from '@latchkey/access-tokens/user-id';
import { parsePhoneNumberFromString } from 'libphonenumber-js';
import { z } from 'zod';
import { labelsSchema } from '../config/labels.js';
import { readableText } from '../http/readable-text.js';
import { timestampSchema } from '../time.js';
import { arrayToJson, textToJson, timeToJson } from './column-json.js';

interface UserFieldDefinition {
  /** Turns the text of the column, as PostgreSQL writes it, into JSON. */
  readonly toJson: (text: string | null) => string;
  /** The field in a response. */
  readonly response: z.ZodType;
  /** The field in `POST /users`, if a caller may set it there. */
  readonly create?: z.ZodType;
  /** The field in `PATCH /users/:id`, if a caller may change it. */
  readonly update?: z.ZodType;
  /** The scope that writing the field requires in addition to `users:write`. */
  readonly scope?: 'users:grant';
  readonly example: string | string[];
}

export const userIdSchema = z
  .string()
  .regex(USER_ID, 'must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -')
  .meta({ description: 'Id of the user.', example: '12345' });

// `/users/search` is a route of its own, so a user with the id `search` could not be read.
const newUserIdSchema = userIdSchema.refine((id) => id !== 'search', 'must not be search');

// Emails are stored in lower case, so that no two users have emails that differ only by case.
export const emailSchema = z
  .string()
  .trim()
  .max(254)
  .pipe(z.email('must be an email address'))
  // Only after the check, because lowercasing turns some non-ASCII letters into ASCII letters.
  .transform((email) => email.toLowerCase())
  .meta({ format: 'email', example: 'user@example.com' });

// E.164 permits 15 digits, but libphonenumber-js accepts 17.
const E164 = /^\+[1-9]\d{1,14}$/;

export const phoneSchema = z
  .string()
  .max(32)
  .transform((text, context) => {
    const number = parsePhoneNumberFromString(text, { extract: false });
    if (number?.isValid() && number.ext === undefined && E164.test(number.number))
      return number.number;
    context.addIssue('must be a valid phone number with its country code (E.164)');
    return z.NEVER;
  })
  .meta({ description: 'E.164, such as +12025550123.', example: '+12025550123' });

const nameSchema = readableText(200).meta({ example: 'John Doe' });

const rolesSchema = labelsSchema.meta({ uniqueItems: true, example: ['customer'] });
const permissionsSchema = labelsSchema.meta({ uniqueItems: true, example: ['read', 'transact'] });

const timeSince1970Schema = timestampSchema.refine(
  (text) => Date.parse(text) >= 0,
  'must not be before 1970',
);

/**
 * The fields of a user, in the order of responses. This table determines the SQL, the JSON, the
 * schemas of requests and responses, the fields that a key can be limited to, and OpenAPI.
 */
export const USER_FIELD_TABLE = {
  id: {
    toJson: textToJson,
    response: userIdSchema,
    create: newUserIdSchema.optional().meta({ description: 'Default: created by the server.' }),
    example: '12345',
  },
  email: {
    toJson: textToJson,
    response: z.string(),
    create: emailSchema,
    update: emailSchema,
    example: 'user@example.com',
  },
  name: {
    toJson: textToJson,
    response: z.string(),
    create: nameSchema,
    update: nameSchema,
    example: 'John Doe',
  },
  phone: {
    toJson: textToJson,
    response: z.string().nullable().meta({ description: 'E.164, or null.' }),
    create: phoneSchema.nullable().optional(),
    update: phoneSchema.nullable(),
    example: '+12025550123',
  },
  roles: {
    toJson: arrayToJson,
    response: z.array(z.string()),
    create: rolesSchema.optional(),
    update: rolesSchema,
    scope: 'users:grant',
    example: ['customer'],
  },
  permissions: {
    toJson: arrayToJson,
    response: z.array(z.string()),
    create: permissionsSchema.optional(),
    update: permissionsSchema,
    scope: 'users:grant',
    example: ['read', 'transact', 'configure'],
  },
  createdAt: {
    toJson: timeToJson,
    response: timestampSchema,
    example: '2025-01-01T00:00:00.000Z',
  },
  lastLoginAt: {
    toJson: timeToJson,
    response: timestampSchema.nullable(),
    update: timeSince1970Schema.nullable(),
    example: '2025-01-15T10:30:00.000Z',
  },
} satisfies Record<string, UserFieldDefinition>;

type Table = typeof USER_FIELD_TABLE;

/** Maps each field that has `Attribute` to the type of this attribute. */
type FieldsWith<Attribute extends keyof UserFieldDefinition> = {
  [
    Name in keyof Table as Attribute extends keyof Table[Name] ? Name : never
  ]: Attribute extends keyof Table[Name] ? Table[Name][Attribute] : never;
};

/** Maps each field that has the attribute to its value: `{ email: emailSchema, … }`. */
export function fieldsWith<Attribute extends keyof UserFieldDefinition>(
  attribute: Attribute,
): FieldsWith<Attribute>;
export function fieldsWith(attribute: keyof UserFieldDefinition): Record<string, unknown> {
  const fields: readonly [string, UserFieldDefinition][] = Object.entries(USER_FIELD_TABLE);
  return Object.fromEntries(
    fields
      .filter(([, definition]) => attribute in definition)
      .map(([name, definition]) => [name, definition[attribute]]),
  );
}

/** Returns the column of a field: `created_at` for `createdAt`. */
export function columnOf(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export const EXAMPLE_USER = fieldsWith('example');
