import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** By connection: the responses to pipelined requests that have not ended. */
const pipelined = new WeakMap<Socket, Set<ServerResponse>>();

/** Returns how many responses to pipelined requests of a connection have not ended. */
export function countPipelined(socket: Socket): number {
  return pipelined.get(socket)?.size ?? 0;
}

/** Calls back once, when a response is sent or its client disconnects. Call it at the start. */
export function onResponseEnd(response: ServerResponse, callback: () => void): void {
  if (response.socket !== null) {
    response.on('close', callback);
    return;
  }
  // Without a socket, the request is pipelined: an earlier response uses the socket.
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
  // When the client disconnects, Node emits no 'close' for responses that wait for an earlier one.
  socket.once('close', () => {
    for (const response of responses) if (response.socket === null) response.emit('close');
  });
  return responses;
}
