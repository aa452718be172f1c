import type { Principal } from '../api-keys/principal.js';
import { ProblemException } from '../http/problem.js';
import {
  USER_FIELDS,
  type User,
  type UserPage,
  type VisibleUser,
  type VisibleUserPage,
} from '../users/user.schemas.js';

export const JSON_CONTENT_TYPE = 'application/json; charset=utf-8';

/** A user without the fields that the caller's key may not see. */
export function visibleUser({ userFields }: Principal, user: User): VisibleUser {
  if (userFields === undefined) return user;
  const visible = USER_FIELDS.filter((field) => userFields.has(field));
  return { id: user.id, ...Object.fromEntries(visible.map((field) => [field, user[field]])) };
}

/** The answer with a user that is JSON text already: the text goes out as it is, if the caller may see all of it. */
export function visibleUserText(caller: Principal, text: string): string {
  if (caller.userFields === undefined) return `{"user":${text}}`;
  return JSON.stringify({ user: visibleUser(caller, JSON.parse(text)) });
}

export function visiblePage(caller: Principal, { users, nextCursor }: UserPage): VisibleUserPage {
  return { users: users.map((user) => visibleUser(caller, user)), nextCursor };
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
