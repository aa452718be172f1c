import type { BlockList } from 'node:net';
import type { UserField } from '../users/user.schemas.js';
import type { Scope } from './scopes.js';

/** An issued key as verification needs it: everything but the secret. Times are milliseconds since the epoch. */
export interface IssuedKey {
  readonly id: string;
  /** SHA-256 of the secret, in hex. */
  readonly digest: string;
  /** Grows with every change of any key. */
  readonly revision: bigint;
  readonly scopes: readonly Scope[];
  /** Undefined if the caller may see every field of a user. */
  readonly userFields: ReadonlySet<UserField> | undefined;
  /** Where the caller must come from; undefined for anywhere. */
  readonly networks: BlockList | undefined;
  /** Requests a minute; undefined for the server's default. */
  readonly rateLimit: number | undefined;
  readonly revoked: boolean;
  /** The end of its life: that of the grace period after a rotation, if that comes first. */
  readonly expiresAt: number;
  readonly rotatedAt: number | undefined;
}
