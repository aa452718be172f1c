import { describe, expect, it } from 'vitest';
import { BackendUnavailableError } from '../backend/backend-errors.js';
import { toToolError } from './tool-failure.js';

describe('toToolError', () => {
  it.each([
    [1, 'in 1 second.'],
    [999, 'in 1 second.'],
    [30_000, 'in 30 seconds.'],
    [90_000, 'in 90 seconds.'],
    [90_001, 'in 2 minutes.'],
    [3_536_000, 'in 59 minutes.'],
    [5_400_001, 'in 2 hours.'],
    [86_400_000, 'in 24 hours.'],
    [undefined, 'in a few seconds.'],
  ])('renders a Retry-After of %s ms as "Try again %s"', (retryAfterMs, words) => {
    const details = { status: 429, retryAfterMs };
    const error = new BackendUnavailableError('rate-limited', details);
    expect(toToolError(error)).toMatchObject({
      code: 'backend-rate-limited',
      message: `The user service is unavailable at the moment. Try again ${words}`,
    });
  });

  it('advises against a retry after status 500', () => {
    const error = new BackendUnavailableError('status', { status: 500, retryAfterMs: 1000 });
    expect(toToolError(error).message).toContain('Trying again is unlikely to help');
  });
});
