import { lookup } from 'node:dns/promises';
import { existsSync, readFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';

const MAX_CONNECTIONS = 10_000;
// File descriptors kept free for database connections, files and the log.
const RESERVED_FILES = 100;

/** Limits the number of connections, and closes connections that the client has already reset. */
export function limitConnections(server: Server): void {
  server.maxConnections = connectionLimit();
  server.on('connection', (socket: Socket) => {
    // The rate limits need the client address, but a reset connection has none. This read also
    // makes Node cache the address in case of a later reset: nodejs/node#23858.
    if (socket.remoteAddress === undefined) socket.destroy();
  });
}

/**
 * Resolves a host name to one address. For a `localhost` with two addresses, Fastify would open a
 * second server, on which `HttpFront` does not run.
 */
export async function resolveAddress(host: string): Promise<string> {
  return (await lookup(host)).address;
}

export function connectionLimit(limitsFile = '/proc/self/limits'): number {
  // Only Linux has this file. Without the file, the number of open files counts as unlimited.
  const limits = existsSync(limitsFile) ? readFileSync(limitsFile, 'utf8') : '';
  const [, openFiles = Infinity] = /^Max open files +(\d+)/m.exec(limits) ?? [];
  return Math.max(1, Math.min(MAX_CONNECTIONS, Number(openFiles) - RESERVED_FILES));
}
