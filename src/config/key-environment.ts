/** Where a key is good. It is part of the key, so that people see it. */
export const KEY_ENVIRONMENTS = ['live', 'test', 'dev'] as const;
export type KeyEnvironment = (typeof KEY_ENVIRONMENTS)[number];
