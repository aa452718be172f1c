/** Why the backend gave no usable response. */
export type UnavailableReason =
  | 'network'
  | 'timeout'
  | 'status'
  | 'rate-limited'
  | 'redirect'
  | 'unusable-answer'
  | 'circuit-open'
  | 'too-many-calls';

/** How a call ended. `abandoned`: the caller aborted it, or an unexpected error was thrown. */
export type BackendOutcome =
  'ok' | 'not-found' | 'unauthorized' | 'rejected' | 'abandoned' | UnavailableReason;

/** A call to the backend failed. */
export abstract class BackendError extends Error {
  constructor(
    readonly outcome: BackendOutcome,
    message: string,
  ) {
    super(message);
    this.name = new.target.name;
  }

  /** Whether the same call may succeed later. */
  get retryable(): boolean {
    return false;
  }
}

/** The backend has no user with this id (404). */
export class UserNotFoundError extends BackendError {
  constructor() {
    super('not-found', 'The backend has no such user');
  }
}

/** The backend refused this server's API key (401), or the key lacks a scope (403). */
export class BackendUnauthorizedError extends BackendError {
  constructor(status: 401 | 403) {
    super('unauthorized', `The backend refused the API key with status ${status}`);
  }
}

/** The backend rejected the call as invalid (a 4xx other than 401, 403, 404 and 429). */
export class BackendRejectedError extends BackendError {
  constructor(status: number) {
    super('rejected', `The backend rejected the call with status ${status}`);
  }
}

/** The backend gave no usable response. */
export class BackendUnavailableError extends BackendError {
  constructor(
    readonly reason: UnavailableReason,
    /** The response's status and `Retry-After`, if there was a response. */
    readonly details: { readonly status?: number; readonly retryAfterMs?: number } = {},
  ) {
    super(reason, `The backend is unavailable: ${reason} ${details.status ?? ''}`.trimEnd());
  }

  override get retryable(): boolean {
    if (this.reason === 'status') return [502, 503, 504].includes(this.details.status ?? 0);
    return this.reason !== 'redirect' && this.reason !== 'unusable-answer';
  }
}
