import { once } from 'node:events';
import type { Server } from 'node:http';
import { setImmediate as nextTick } from 'node:timers/promises';
import type { InFlightRequests } from './in-flight-requests.js';

const CHECK_INTERVAL_MS = 50;
// For clients that have just connected.
const IDLE_TIMEOUT_MS = 500;
/** The time for requests in flight once the server accepts no more connections. */
export const CLOSE_TIMEOUT_MS = 4000;

/** Stops accepting connections. Resolves when every request has its response. */
export async function closeServer(server: Server, requests: InFlightRequests): Promise<void> {
  if (!server.listening) return;
  // After the event loop has accepted the connections in the system's queue, which would be reset.
  await nextTick();
  const closed = once(server, 'close');
  server.close();
  closeConnections(server, requests);
  await closed;
}

/** Closes each connection of a closing server as soon as no client waits for a response on it. */
export function closeConnections(server: Server, requests: InFlightRequests): void {
  requests.drain();
  const closedAt = performance.now();
  const timer = setInterval(() => {
    const elapsed = performance.now() - closedAt;
    const isIdle = requests.count === 0 && elapsed > IDLE_TIMEOUT_MS;
    // Node treats a connection on which nothing was sent as busy.
    if (isIdle || elapsed > CLOSE_TIMEOUT_MS) server.closeAllConnections();
    else server.closeIdleConnections();
  }, CHECK_INTERVAL_MS).unref();
  server.once('close', () => clearInterval(timer));
}
