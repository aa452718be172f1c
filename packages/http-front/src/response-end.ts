import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The unfinished responses to pipelined requests, by connection. */
const pipelined = new WeakMap<Socket, Set<ServerResponse>>();

/** Returns the number of unfinished responses to pipelined requests on a connection. */
export function countPipelined(socket: Socket): number {
  return pipelined.get(socket)?.size ?? 0;
}

/**
 * Calls `callback` once, when the response has been sent or the client disconnects. Call this
 * function when the request arrives.
 */
export function onResponseEnd(response: ServerResponse, callback: () => void): void {
  if (response.socket !== null) {
    response.on('close', callback);
    return;
  }
  // The response has no socket yet, because it waits for an earlier response (pipelining).
  response.once('close', callback);
  const responses = pipelinedOn(response.req.socket);
  if (responses.has(response)) return;
  responses.add(response);
  response.once('close', () => responses.delete(response));
}

function pipelinedOn(socket: Socket): Set<ServerResponse> {
  const known = pipelined.get(socket);
  if (known !== undefined) return known;
  const responses = new Set<ServerResponse>();
  pipelined.set(socket, responses);
  // When the client disconnects, Node emits no 'close' for a response queued behind another.
  socket.once('close', () => {
    for (const response of responses) if (response.socket === null) response.emit('close');
  });
  return responses;
}
