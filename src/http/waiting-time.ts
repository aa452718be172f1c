import type { IncomingMessage } from 'node:http';

/** Of the requests that had to wait for their turn, in milliseconds. */
const waited = new WeakMap<IncomingMessage, number>();

export function noteWaiting(request: IncomingMessage, ms: number): void {
  waited.set(request, ms);
}

/** How long a request waited for its turn before it was handled, in milliseconds. */
export function waitingTimeOf(request: IncomingMessage): number {
  return waited.get(request) ?? 0;
}
