import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The callbacks of pipelined responses, by connection. */
const waiting = new WeakMap<Socket, Set<() => void>>();

/** Calls back once, when a response has been sent or its client has left. Call it on arrival. */
export function onResponseEnd(response: ServerResponse, callback: () => void): void {
  if (response.socket !== null) {
    response.on('close', callback);
    return;
  }
  // Pipelined behind another request: Node emits no 'close' for the response if the client leaves.
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
