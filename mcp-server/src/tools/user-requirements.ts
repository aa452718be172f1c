import type { User } from '../backend/backend-schemas.generated.js';
import { ToolError } from './tool.js';

/** The backend omitted user fields, because this server's key is not allowed to read them. */
export class MissingFieldsError extends ToolError {
  constructor(readonly fields: readonly string[]) {
    super(
      'fields-missing',
      'This server is not allowed to read some user fields that the tool needs. Trying again will not help: tell the operator of this server.',
    );
  }
}

/**
 * Checks that the backend returned the fields of the user that a tool needs.
 * @throws MissingFieldsError
 */
export function requireFields<Known extends User, Field extends string & keyof Known>(
  user: Known,
  fields: readonly Field[],
): asserts user is Known & Required<Pick<Known, Field>> {
  const missing = fields.filter((field) => user[field] === undefined);
  if (missing.length > 0) throw new MissingFieldsError(missing);
}

/**
 * Checks the permissions that the backend returned. They may have changed since the access token
 * was issued.
 * @throws ToolError
 */
export function requirePermission(user: User, permission: 'read' | 'configure'): void {
  requireFields(user, ['permissions']);
  if (user.permissions.includes(permission)) return;
  throw new ToolError(
    'permission-missing',
    `The user lacks the permission "${permission}", which this tool needs. Trying again will not help.`,
  );
}
