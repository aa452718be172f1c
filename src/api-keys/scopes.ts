/** Everything that a key can be allowed to do. A route asks for exactly one of these. */
export const SCOPES = [
  'users:read',
  'users:write',
  'users:grant',
  'accounts:read',
  'keys:read',
  'keys:write',
  'audit:read',
] as const;

export type Scope = (typeof SCOPES)[number];
