/** Scopes of access tokens, one per group of tools. */
export const SCOPES = ['balance:read', 'profile:read', 'profile:write'] as const;

export type Scope = (typeof SCOPES)[number];
