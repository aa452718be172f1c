import { once } from 'node:events';
import type { Server } from 'node:http';
import { setImmediate as nextTick, setTimeout as sleep } from 'node:timers/promises';
import { type INestApplication, Logger } from '@nestjs/common';
import { HttpFront } from './http-front.js';
import { CLOSE_TIMEOUT_MS, type InFlightRequests } from './in-flight-requests.js';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
// The time for shutdown hooks, which may wait for an unresponsive database.
const HOOKS_TIMEOUT_MS = 500;

/**
 * Shuts the process down at a signal. While it drains, the process serves requests but reports that
 * it is not ready. It then finishes the requests in flight and exits with 0. A second signal kills
 * the process.
 */
export function shutDownOnSignal(app: INestApplication, drainMs: number): void {
  const shutDown = (signal: NodeJS.Signals) => {
    for (const each of SIGNALS) process.off(each, shutDown);
    void shutDownGracefully(app, drainMs, signal);
  };
  for (const signal of SIGNALS) process.on(signal, shutDown);
}

async function shutDownGracefully(
  app: INestApplication,
  drainMs: number,
  signal: NodeJS.Signals,
): Promise<void> {
  const logger = new Logger('Shutdown');
  logger.log(`${signal}: draining for ${drainMs / 1000} s`);
  const { requests } = app.get(HttpFront);
  requests.drain();
  await sleep(drainMs);
  const timeout = setTimeout(() => {
    logger.error('graceful shutdown timed out; exiting');
    process.exit(1);
  }, CLOSE_TIMEOUT_MS + HOOKS_TIMEOUT_MS);
  try {
    // Close the server first, because `app.close()` destroys connections that arrive while it runs.
    await closeServer(app.getHttpServer(), requests);
    await app.close();
    clearTimeout(timeout);
    process.exit(0);
  } catch (error) {
    logger.error(error);
    process.exit(1);
  }
}

/** Stops accepting connections. Resolves when every request has its response. */
async function closeServer(server: Server, requests: InFlightRequests): Promise<void> {
  if (!server.listening) return;
  // First let the event loop accept the connections in the system's queue, because `close` resets
  // all connections that are not accepted yet.
  await nextTick();
  const closed = once(server, 'close');
  server.close();
  requests.closeConnections(server);
  await closed;
}
