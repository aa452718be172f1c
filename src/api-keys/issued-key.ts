import type { NetworkSet } from './network-set.js';
import type { Principal } from './principal.js';

/** An issued key as verification needs it: everything but the secret. Times are milliseconds since the epoch. */
export interface IssuedKey {
  readonly id: string;
  /** The `digestKey` of the secret. */
  readonly digest: string;
  /** Grows with every change of any key. */
  readonly revision: bigint;
  readonly isRevoked: boolean;
  /** The end of its life: that of the grace period after a rotation, if that comes first. */
  readonly expiresAt: number;
  /** Where the caller must come from. */
  readonly networks: NetworkSet;
  /** Whom it identifies while it is good. */
  readonly principal: Principal;
}
