import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';

const MOST = 10_000;
// For the database, files and the log.
const RESERVED = 100;

/** Caps the connections of a server, and takes none whose other end is gone already. */
export function limitConnections(server: Server): void {
  server.maxConnections = connectionLimit();
  server.on('connection', (socket: Socket) => {
    // A client that resets at once leaves its request behind, but no address: who counts by address would fail. To ask for it now
    // also keeps it, should the reset come later: nodejs/node#23858.
    if (socket.remoteAddress === undefined) socket.destroy();
  });
}

/**
 * The one address of a host name to listen on. `localhost` may have two, for which Fastify opens a second server that nobody limits or
 * drains.
 */
export async function addressOf(host: string): Promise<string> {
  return (await lookup(host)).address;
}

/** How many connections clients may have: less than the files that the process may open, so that the database always gets one. */
export function connectionLimit(limitsFile = '/proc/self/limits'): number {
  const openFiles = readOpenFilesLimit(limitsFile);
  return Math.max(1, Math.min(MOST, openFiles - RESERVED));
}

function readOpenFilesLimit(path: string): number {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync(path, 'utf8')) ?? [];
    return Number(soft ?? Infinity);
  } catch {
    // Not Linux.
    return Infinity;
  }
}
