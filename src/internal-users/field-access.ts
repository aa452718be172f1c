import type { Principal } from '../api-keys/principal.js';
import { ProblemException } from '../http/problem.js';
import { USER_FIELDS, type User, type VisibleUser } from '../users/user.schemas.js';
import type { UserTextPage } from '../users/users.service.js';

export const JSON_CONTENT_TYPE = 'application/json; charset=utf-8';

/** A user without the fields that the caller's key may not see. */
function visibleUser({ userFields }: Principal, user: User): VisibleUser {
  if (userFields === undefined) return user;
  const visible = USER_FIELDS.filter((field) => userFields.has(field));
  return { id: user.id, ...Object.fromEntries(visible.map((field) => [field, user[field]])) };
}

/** The answer with a user that is JSON text already. */
export function visibleUserText(caller: Principal, text: string): string {
  return `{"user":${visibleText(caller, text)}}`;
}

/** The answer with a page of such users. */
export function visiblePageText(caller: Principal, { users, nextCursor }: UserTextPage): string {
  const texts = users.map(({ text }) => visibleText(caller, text));
  return `{"users":[${texts.join(',')}],"nextCursor":${JSON.stringify(nextCursor)}}`;
}

/** The text goes out as it is, if the caller may see all of it. */
function visibleText(caller: Principal, text: string): string {
  if (caller.userFields === undefined) return text;
  return JSON.stringify(visibleUser(caller, JSON.parse(text)));
}

/**
 * The input itself, unless it has a field that the caller's key may not see: searching for one would tell it, and so
 * would writing one, where another user has it.
 * @throws ProblemException `FIELD_NOT_ALLOWED`, with the fields.
 */
export function allowedFields<Input extends object>(
  { userFields }: Principal,
  input: Input,
): Input {
  if (userFields === undefined) return input;
  const forbidden = USER_FIELDS.filter((field) => field in input && !userFields.has(field));
  if (forbidden.length === 0) return input;
  throw new ProblemException('FIELD_NOT_ALLOWED', {
    errors: forbidden.map((path) => ({ path, message: 'the key may not use this field' })),
  });
}
