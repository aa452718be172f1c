import type { Scope } from '../api-keys/scopes.js';

/** The caller that a key has identified. */
export interface Principal {
  /** Names the key in logs; not secret. */
  readonly keyId: string;
  readonly scopes: readonly Scope[];
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `ApiKeyGuard`; null on public routes and until the key has been checked. */
    principal: Principal | null;
    /** The id of the user that `UserGuard` has verified; null on other routes. */
    userId: string | null;
  }
}
