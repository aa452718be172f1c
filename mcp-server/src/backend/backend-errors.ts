/** Why no usable answer came. */
export type UnavailableReason =
  | 'network'
  | 'timeout'
  | 'status'
  | 'rate-limited'
  | 'redirect'
  | 'unusable-answer'
  | 'circuit-open'
  | 'too-many-calls';

/** How a call ended. `abandoned`: the caller has left, or something failed on this side. */
export type BackendOutcome =
  'ok' | 'not-found' | 'unauthorized' | 'rejected' | 'abandoned' | UnavailableReason;

/** A call of the backend failed. `retryable` says whether the same call may succeed later. */
export abstract class BackendError extends Error {
  abstract readonly outcome: BackendOutcome;
  readonly retryable: boolean = false;
}

/** The backend has no user with this id (404). */
export class UserNotFoundError extends BackendError {
  override readonly name = 'UserNotFoundError';
  readonly outcome = 'not-found';

  constructor() {
    super('The backend has no such user');
  }
}

/** The backend refused this server's key (401), or the key lacks a scope (403). */
export class BackendUnauthorizedError extends BackendError {
  override readonly name = 'BackendUnauthorizedError';
  readonly outcome = 'unauthorized';

  constructor(readonly status: 401 | 403) {
    super(`The backend refused the API key with status ${status}`);
  }
}

/** The backend takes the call to be wrong (any other 4xx). */
export class BackendRejectedError extends BackendError {
  override readonly name = 'BackendRejectedError';
  readonly outcome = 'rejected';

  constructor(readonly status: number) {
    super(`The backend rejected the call with status ${status}`);
  }
}

/** The backend gave no usable answer. */
export class BackendUnavailableError extends BackendError {
  override readonly name = 'BackendUnavailableError';

  constructor(
    readonly reason: UnavailableReason,
    override readonly retryable: boolean,
    readonly details: {
      readonly status?: number;
      /** How long the backend asked to be left alone. */
      readonly retryAfterMs?: number;
    } = {},
  ) {
    const { status } = details;
    super(`The backend is unavailable: ${reason}${status === undefined ? '' : ` ${status}`}`);
  }

  get outcome(): UnavailableReason {
    return this.reason;
  }
}
