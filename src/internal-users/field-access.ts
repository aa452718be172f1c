import type { Principal } from '../api-keys/principal.js';
import type { Scope } from '../api-keys/scopes.js';
import { ProblemException } from '../problems/problem.js';
import type { Account } from '../users/account.schemas.js';
import { fieldsWith } from '../users/user-fields.js';
import { USER_FIELDS, type UserField, WRITABLE_USER_FIELDS } from '../users/user.schemas.js';
import type { UserJsonPage } from '../users/users.service.js';

const NO_FIELDS: ReadonlySet<UserField> = new Set();
const SCOPES_OF_FIELDS: readonly [field: string, scope: Scope][] = Object.entries(
  fieldsWith('scope'),
);

/** Returns the body of a response with a user, and with its accounts if they are given. */
export function visibleUserJson(caller: Principal, user: string, accounts?: Account[]): string {
  return `{"user":${visibleJson(caller, user)}${accountsMember(accounts)}}`;
}

/** Returns the body of a response with a page of users, and with their accounts if requested. */
export function visiblePageJson(
  caller: Principal,
  { users, nextCursor, accounts }: UserJsonPage,
): string {
  const visible = users.map(({ json }) => visibleJson(caller, json));
  return `{"users":[${visible.join(',')}],"nextCursor":${JSON.stringify(nextCursor)}${accountsMember(accounts)}}`;
}

/**
 * Refuses a search by fields that the caller may not read, because a match would reveal a value.
 * @throws ProblemException `FIELD_NOT_ALLOWED`, which lists the fields
 */
export function requireReadable(caller: Principal, search: object): void {
  refuseForbidden(USER_FIELDS, search, fieldsToRead(caller));
}

/** @throws ProblemException `INSUFFICIENT_SCOPE`, or `FIELD_NOT_ALLOWED`, which lists the fields */
export function requireWritable(caller: Principal, input: object): void {
  for (const [field, scope] of SCOPES_OF_FIELDS) if (field in input) requireScope(caller, scope);
  refuseForbidden(WRITABLE_USER_FIELDS, input, caller.writeFields);
}

/**
 * Refuses to delete a user if the caller may write only some fields.
 * @throws ProblemException `FIELD_NOT_ALLOWED`, which lists the fields that the key may not write
 */
export function requireDeletable({ writeFields }: Principal): void {
  if (writeFields === undefined) return;
  throw fieldsNotAllowed(WRITABLE_USER_FIELDS.filter((field) => !writeFields.has(field)));
}

/** @throws ProblemException `INSUFFICIENT_SCOPE` */
export function requireScope({ scopes }: Principal, scope: Scope): void {
  if (!scopes.includes(scope)) {
    throw new ProblemException('INSUFFICIENT_SCOPE', { requiredScope: scope });
  }
}

function accountsMember(accounts: object | undefined): string {
  return accounts === undefined ? '' : `,"accounts":${JSON.stringify(accounts)}`;
}

/** Returns the JSON of a user without the fields that the caller may not read. */
function visibleJson(caller: Principal, user: string): string {
  const readable = fieldsToRead(caller);
  if (readable === undefined) return user;
  const visible = ['id', ...USER_FIELDS.filter((field) => readable.has(field))];
  return JSON.stringify(JSON.parse(user), visible);
}

/** Undefined means all. Without `users:read`, responses to writes contain only the id. */
function fieldsToRead({ scopes, readFields }: Principal): ReadonlySet<UserField> | undefined {
  return scopes.includes('users:read') ? readFields : NO_FIELDS;
}

function refuseForbidden(
  fields: readonly UserField[],
  input: object,
  allowed: ReadonlySet<UserField> | undefined,
): void {
  if (allowed === undefined) return;
  const forbidden = fields.filter((field) => field in input && !allowed.has(field));
  if (forbidden.length > 0) throw fieldsNotAllowed(forbidden);
}

function fieldsNotAllowed(fields: readonly UserField[]): ProblemException {
  return new ProblemException('FIELD_NOT_ALLOWED', {
    errors: fields.map((path) => ({ path, message: 'the key may not use this field' })),
  });
}
