import {
  BackendRejectedError,
  BackendUnauthorizedError,
  BackendUnavailableError,
  UserNotFoundError,
} from '../backend/backend-errors.js';
import { ToolError } from './tool.js';

/**
 * The sentence of a failed call for the model. Never an exception's own text, which may contain
 * anything.
 */
export interface Failure {
  /** Names the outcome in the log. */
  readonly code: string;
  readonly sentence: string;
}

export function describeFailure(error: unknown): Failure {
  if (error instanceof ToolError) return { code: error.code, sentence: error.message };
  if (error instanceof UserNotFoundError) {
    return {
      code: 'user-not-found',
      sentence: 'There is no user for this access token. Trying again will not help.',
    };
  }
  if (error instanceof BackendUnavailableError) return describeUnavailable(error);
  if (error instanceof BackendUnauthorizedError || error instanceof BackendRejectedError) {
    return {
      code: 'backend-refused',
      sentence:
        'The user service refuses this server. Trying again will not help: tell its operator.',
    };
  }
  return {
    code: 'unexpected',
    sentence: 'The tool failed. Trying again is unlikely to help: tell its operator.',
  };
}

function describeUnavailable({ reason, retryable, details }: BackendUnavailableError): Failure {
  const advice = retryable
    ? `Try again in ${waitingTime(details.retryAfterMs)}.`
    : 'Trying again is unlikely to help: tell its operator.';
  return {
    code: `backend-${reason}`,
    sentence: `The user service is unavailable at the moment. ${advice}`,
  };
}

function waitingTime(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return 'a few seconds';
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds === 1) return '1 second';
  if (seconds <= 90) return `${seconds} seconds`;
  const minutes = Math.ceil(seconds / 60);
  return minutes <= 90 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
}
