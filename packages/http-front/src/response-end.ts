import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** By connection: what is to be called when it closes, for the responses that wait behind another one. */
const waiting = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls back once when a response is over: sent, or not wanted any more since the client has left. To be called as soon as
 * the request has arrived.
 */
export function onResponseEnd(response: ServerResponse, callback: () => void): void {
  if (response.socket !== null) {
    response.on('close', callback);
    return;
  }
  // The request came before an earlier one on its connection was answered (pipelining). Node announces no 'close' for its
  // response if the client leaves meanwhile, so that whoever counts would count for ever.
  const callbacks = callbacksOf(response.req.socket);
  const end = () => {
    if (callbacks.delete(end)) callback();
  };
  callbacks.add(end);
  response.on('close', end);
}

function callbacksOf(socket: Socket): Set<() => void> {
  const known = waiting.get(socket);
  if (known !== undefined) return known;
  const callbacks = new Set<() => void>();
  waiting.set(socket, callbacks);
  socket.once('close', () => {
    for (const end of callbacks) end();
  });
  return callbacks;
}
