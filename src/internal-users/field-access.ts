import type { Principal } from '../api-keys/principal.js';
import { ProblemException } from '../problems/problem.js';
import {
  USER_FIELDS,
  type User,
  type UserField,
  type VisibleUser,
  WRITABLE_USER_FIELDS,
} from '../users/user.schemas.js';
import type { UserTextPage } from '../users/users.service.js';

export const JSON_CONTENT_TYPE = 'application/json; charset=utf-8';

const NO_FIELDS: ReadonlySet<UserField> = new Set();
/** The fields that give a user rights in other systems. */
const GRANTED_FIELDS = ['roles', 'permissions'] as const satisfies readonly UserField[];

/** The answer with a user that is JSON text already. */
export function visibleUserText(caller: Principal, text: string): string {
  return `{"user":${visibleText(caller, text)}}`;
}

/** The answer with a page of such users. */
export function visiblePageText(caller: Principal, { users, nextCursor }: UserTextPage): string {
  const texts = users.map(({ text }) => visibleText(caller, text));
  return `{"users":[${texts.join(',')}],"nextCursor":${JSON.stringify(nextCursor)}}`;
}

/**
 * Returns the search if the caller may read its fields: a match would reveal them otherwise.
 * @throws ProblemException `FIELD_NOT_ALLOWED`, with the fields.
 */
export function readableFields<Search extends object>(caller: Principal, search: Search): Search {
  const readable = fieldsToRead(caller);
  if (readable !== undefined) refuse(USER_FIELDS, search, readable);
  return search;
}

/**
 * Returns the input if the caller may write all its fields.
 * @throws ProblemException `FIELD_NOT_ALLOWED`, with the fields; `INSUFFICIENT_SCOPE`
 */
export function writableFields<Input extends object>(caller: Principal, input: Input): Input {
  if (GRANTED_FIELDS.some((field) => field in input) && !caller.scopes.includes('users:grant')) {
    throw new ProblemException('INSUFFICIENT_SCOPE', { requiredScope: 'users:grant' });
  }
  const { writeFields } = caller;
  if (writeFields !== undefined) refuse(WRITABLE_USER_FIELDS, input, writeFields);
  return input;
}

/**
 * Refuses to delete a user if the caller may write only some fields.
 * @throws ProblemException `FIELD_NOT_ALLOWED`, with those that the caller's key may not write.
 */
export function refuseDeletion({ writeFields }: Principal): void {
  if (writeFields !== undefined)
    throw fieldsNotAllowed(WRITABLE_USER_FIELDS.filter((field) => !writeFields.has(field)));
}

/** Returns the text unchanged if the caller may read all fields. */
function visibleText(caller: Principal, text: string): string {
  const readable = fieldsToRead(caller);
  if (readable === undefined) return text;
  return JSON.stringify(visibleUser(readable, JSON.parse(text)));
}

function visibleUser(readable: ReadonlySet<UserField>, user: User): VisibleUser {
  const visible = USER_FIELDS.filter((field) => readable.has(field));
  return { id: user.id, ...Object.fromEntries(visible.map((field) => [field, user[field]])) };
}

/** Undefined for all. A key without `users:read` sees no field in the responses to its writes. */
function fieldsToRead({ scopes, readFields }: Principal): ReadonlySet<UserField> | undefined {
  return scopes.includes('users:read') ? readFields : NO_FIELDS;
}

function refuse(
  fields: readonly UserField[],
  input: object,
  allowed: ReadonlySet<UserField>,
): void {
  const forbidden = fields.filter((field) => field in input && !allowed.has(field));
  if (forbidden.length > 0) throw fieldsNotAllowed(forbidden);
}

function fieldsNotAllowed(fields: readonly UserField[]): ProblemException {
  return new ProblemException('FIELD_NOT_ALLOWED', {
    errors: fields.map((path) => ({ path, message: 'the key may not use this field' })),
  });
}
