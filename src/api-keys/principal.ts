import type { UserField } from '../users/user.schemas.js';
import type { Scope } from './scopes.js';

/** The caller that a key has identified. */
export interface Principal {
  /** Names the key in logs; not secret. */
  readonly keyId: string;
  /** Whether it is a root key, which may do everything. */
  readonly isRoot: boolean;
  readonly scopes: readonly Scope[];
  /** The fields of users that the caller may see; undefined for all. */
  readonly userFields: ReadonlySet<UserField> | undefined;
  /** Requests a minute; undefined for the server's default. */
  readonly rateLimit?: number | undefined;
  /** Since when the key has a successor, in milliseconds since the epoch. */
  readonly deprecatedSince?: number | undefined;
  /** Until when such a key is good, if that is settled, in milliseconds since the epoch. */
  readonly sunsetAt?: number | undefined;
}
