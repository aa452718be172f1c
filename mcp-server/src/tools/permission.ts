import { ToolError } from './tool.js';

/** Checks what the backend's own record of a user allows; a token may be older than a change of it. */
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
