import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { onResponseEnd } from './response-end.js';

/** Limits the requests that a connection sends before an earlier one is answered (pipelining). */
export class PipeliningLimit {
  private readonly waiting = new WeakMap<Socket, number>();

  constructor(private readonly limit: number) {}

  /** Counts a request. Without a limit, a client that reads no response could fill the memory. */
  isExceeded({ socket }: IncomingMessage, response: ServerResponse): boolean {
    // Only the response to the oldest request of a connection has the socket.
    if (response.socket !== null) return false;
    const waiting = (this.waiting.get(socket) ?? 0) + 1;
    if (waiting > this.limit) return true;
    this.waiting.set(socket, waiting);
    onResponseEnd(response, () => this.waiting.set(socket, (this.waiting.get(socket) ?? 1) - 1));
    return false;
  }
}
