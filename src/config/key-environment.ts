/** Environments of issued keys. Each key contains the name of its environment in plaintext. */
export const KEY_ENVIRONMENTS = ['live', 'test', 'dev'] as const;
export type KeyEnvironment = (typeof KEY_ENVIRONMENTS)[number];
