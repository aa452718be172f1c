import type { UserDetails } from '../backend/backend-client.js';
import { ToolError } from './tool.js';

/** Checks what the backend's own record of a user allows; a token may be older than a change of it. */
export function requirePermission(user: UserDetails, permission: 'read' | 'configure'): void {
  if (user.permissions.includes(permission)) return;
  throw new ToolError(
    'permission-missing',
    `The user lacks the permission "${permission}" for this. Trying again will not help.`,
  );
}
