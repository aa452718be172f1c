import {
  BackendRejectedError,
  BackendUnauthorizedError,
  BackendUnavailableError,
  UserNotFoundError,
  type UnavailableReason,
} from './backend-errors.js';

/** The routes that the backend is called by, each with a circuit breaker of its own. */
export const BACKEND_ROUTES = ['user', 'users', 'accounts', 'update'] as const;
export type BackendRoute = (typeof BACKEND_ROUTES)[number];

export type BackendOutcome =
  | 'ok'
  | 'not-found'
  | 'unauthorized'
  | 'rejected'
  /** The caller has left, or something failed on this side. */
  | 'abandoned'
  | UnavailableReason;

/** Observes calls and their requests. Methods return at once and never throw. */
export interface BackendObserver {
  /** A call is over, with all its retries. Its outcome may be that no request was sent. */
  onCall(route: BackendRoute, outcome: BackendOutcome): void;
  /** A single request is over. */
  onRequest(route: BackendRoute, outcome: BackendOutcome, durationMs: number): void;
  /** A request is sent again. */
  onRetry(route: BackendRoute): void;
}

export function outcomeOf(error: unknown): BackendOutcome {
  if (error instanceof BackendUnavailableError) return error.reason;
  if (error instanceof UserNotFoundError) return 'not-found';
  if (error instanceof BackendUnauthorizedError) return 'unauthorized';
  if (error instanceof BackendRejectedError) return 'rejected';
  return 'abandoned';
}
