import type { FastifyRequest } from 'fastify';
import type { KeyVerdict } from '../api-keys/key-verifier.js';
import type { Principal } from '../api-keys/principal.js';
import type { LimitName } from '../requests/finished-request.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** What `ApiKeyGuard` has found out about the key; null on other routes. */
    keyVerdict: KeyVerdict | null;
    /** The limit that has refused the request; null if none has. */
    exceededLimit: LimitName | null;
    /** Set by `ApiKeyGuard`; null on public routes and until the key has been checked. */
    principal: Principal | null;
    /** The id of the user that `UserGuard` has verified; null on other routes. */
    userId: string | null;
  }
}

/** A request that `ApiKeyGuard` has admitted. */
export type KeyedRequest = FastifyRequest & { readonly principal: Principal };
