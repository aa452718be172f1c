import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export const REQUEST_ID_HEADER = 'x-request-id';

const WELL_FORMED = /^[A-Za-z0-9._~-]{1,128}$/;

// A random prefix per process and a counter, because a random id per request is slow.
const PROCESS_PREFIX = randomBytes(8).toString('hex');
let count = 0;

/** Returns the caller's request id if it is safe for logs and headers; otherwise a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers[REQUEST_ID_HEADER];
  if (typeof given === 'string' && WELL_FORMED.test(given)) return given;
  count += 1;
  return `${PROCESS_PREFIX}-${count}`;
}
