import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export const REQUEST_ID_HEADER = 'x-request-id';

const WELL_FORMED = /^[A-Za-z0-9._~-]{1,128}$/;

// The part that differs between processes is created once: a new random id costs more than writing it into the response.
const PROCESS = randomBytes(8).toString('hex');
let made = 0;

/** Takes the caller's request id if it is fit for a log line and a header, and makes one otherwise. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers[REQUEST_ID_HEADER];
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : makeId();
}

function makeId(): string {
  made += 1;
  return `${PROCESS}-${made}`;
}
