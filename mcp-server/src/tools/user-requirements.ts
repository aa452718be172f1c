import type { UserDetails } from '../backend/backend-client.js';
import { ToolError } from './tool.js';

type Field = keyof UserDetails;
type WithFields<Needed extends Field> = UserDetails & Required<Pick<UserDetails, Needed>>;

/** The backend left out fields of the user, because this server's key may not read them. */
export class MissingFieldsError extends ToolError {
  constructor(readonly fields: readonly string[]) {
    super(
      'fields-missing',
      'The user service does not show this server all that the tool needs. Trying again will not help: tell its operator.',
    );
  }
}

/**
 * Checks that the backend gave the fields of the user that a tool needs.
 * @throws MissingFieldsError
 */
export function requireFields<Needed extends Field>(
  user: UserDetails,
  fields: readonly Needed[],
): WithFields<Needed> {
  if (hasFields(user, fields)) return user;
  throw new MissingFieldsError(fields.filter((field) => user[field] === undefined));
}

function hasFields<Needed extends Field>(
  user: UserDetails,
  fields: readonly Needed[],
): user is WithFields<Needed> {
  return fields.every((field) => user[field] !== undefined);
}

/**
 * Checks what the backend's record of a user allows, since a token may be older than a change of
 * it.
 * @throws ToolError
 */
export function requirePermission(
  { permissions }: { readonly permissions: readonly string[] },
  permission: 'read' | 'configure',
): void {
  if (permissions.includes(permission)) return;
  throw new ToolError(
    'permission-missing',
    `The user lacks the permission "${permission}" for this. Trying again will not help.`,
  );
}
