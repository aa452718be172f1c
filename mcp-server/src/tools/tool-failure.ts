import {
  BackendRejectedError,
  BackendUnauthorizedError,
  BackendUnavailableError,
  UserNotFoundError,
} from '../backend/backend-errors.js';
import { ToolError } from './tool.js';

/**
 * Converts any error of a tool into a code for the log and a sentence for the model. The sentence
 * never quotes the message of another error, because such messages may contain secrets.
 */
export function toToolError(error: unknown): ToolError {
  if (error instanceof ToolError) return error;
  if (error instanceof UserNotFoundError) {
    return new ToolError(
      'user-not-found',
      'There is no user for this access token. Trying again will not help.',
    );
  }
  if (error instanceof BackendUnavailableError) {
    const advice = error.retryable
      ? `Try again in ${describeDelay(error.details.retryAfterMs)}.`
      : 'Trying again is unlikely to help: tell the operator of this server.';
    return new ToolError(
      `backend-${error.reason}`,
      `The user service is unavailable at the moment. ${advice}`,
    );
  }
  if (error instanceof BackendUnauthorizedError || error instanceof BackendRejectedError) {
    return new ToolError(
      'backend-refused',
      'The user service refuses this server. Trying again will not help: tell the operator of this server.',
    );
  }
  return new ToolError(
    'unexpected',
    'The tool failed. Trying again is unlikely to help: tell the operator of this server.',
  );
}

function describeDelay(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return 'a few seconds';
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds === 1) return '1 second';
  if (seconds <= 90) return `${seconds} seconds`;
  const minutes = Math.ceil(seconds / 60);
  return minutes <= 90 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
}
