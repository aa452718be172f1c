import { lookup } from 'node:dns/promises';
import { existsSync, readFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';

const MAX_CONNECTIONS = 10_000;
// File descriptors for the database, files and the log.
const RESERVED_FILES = 100;

/** Limits the connections of a server, and closes those whose client has left. */
export function limitConnections(server: Server): void {
  server.maxConnections = connectionLimit();
  server.on('connection', (socket: Socket) => {
    // A request on a reset connection has no client address to count it by. Reading the address
    // now also caches it for a reset that comes later: nodejs/node#23858.
    if (socket.remoteAddress === undefined) socket.destroy();
  });
}

/**
 * Resolves a host name to one address. For `localhost`, which may have two, Fastify would open a
 * second server that nothing protects.
 */
export async function resolveAddress(host: string): Promise<string> {
  return (await lookup(host)).address;
}

export function connectionLimit(limitsFile = '/proc/self/limits'): number {
  // Only Linux has this file.
  const limits = existsSync(limitsFile) ? readFileSync(limitsFile, 'utf8') : '';
  const [, openFiles = Infinity] = /^Max open files +(\d+)/m.exec(limits) ?? [];
  return Math.max(1, Math.min(MAX_CONNECTIONS, Number(openFiles) - RESERVED_FILES));
}
