/** A call of the backend failed. `retryable` says whether the same call may succeed later. */
export abstract class BackendError extends Error {
  abstract readonly retryable: boolean;
}

/** The backend has no user with this id (404). */
export class UserNotFoundError extends BackendError {
  override readonly name = 'UserNotFoundError';
  readonly retryable = false;

  constructor() {
    super('The backend has no such user');
  }
}

/** The backend refused this server's key (401), or the key lacks a scope (403). */
export class BackendUnauthorizedError extends BackendError {
  override readonly name = 'BackendUnauthorizedError';
  readonly retryable = false;

  constructor(readonly status: 401 | 403) {
    super(`The backend refused the API key with status ${status}`);
  }
}

/** The backend takes the call to be wrong (any other 4xx). */
export class BackendRejectedError extends BackendError {
  override readonly name = 'BackendRejectedError';
  readonly retryable = false;

  constructor(readonly status: number) {
    super(`The backend rejected the call with status ${status}`);
  }
}

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

/** The backend gave no usable answer. */
export class BackendUnavailableError extends BackendError {
  override readonly name = 'BackendUnavailableError';

  constructor(
    readonly reason: UnavailableReason,
    readonly retryable: boolean,
    readonly details: {
      readonly status?: number;
      /** How long the backend asked to be left alone. */
      readonly retryAfterMs?: number;
    } = {},
  ) {
    const { status } = details;
    super(`The backend is unavailable: ${reason}${status === undefined ? '' : ` ${status}`}`);
  }
}
