/** The permissions of keys. Each route that needs an API key requires exactly one. */
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
