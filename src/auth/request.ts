import type { FastifyRequest } from 'fastify';
import type { Principal } from '../api-keys/principal.js';

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The caller. Set by `ApiKeyGuard`; null on public routes and until the key has been checked.
     */
    principal: Principal | null;
    /** The id of the user that `UserGuard` has verified; null on other routes. */
    userId: string | null;
  }
}

/** A request that `ApiKeyGuard` has admitted. */
export type KeyedRequest = FastifyRequest & { readonly principal: Principal };
