import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The pipelined responses of each connection that have not ended. */
const pipelined = new WeakMap<Socket, Set<ServerResponse>>();

/** The pipelined responses of a connection that have not ended. */
export function countPipelined(socket: Socket): number {
  return pipelined.get(socket)?.size ?? 0;
}

/** Calls back once, when a response has been sent or its client has left. Call it on arrival. */
export function onResponseEnd(response: ServerResponse, callback: () => void): void {
  if (response.socket !== null) {
    response.on('close', callback);
    return;
  }
  // Pipelined behind another request.
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
  // Node emits no 'close' for a response that waits for an earlier one when the client leaves.
  socket.once('close', () => {
    for (const response of responses) if (response.socket === null) response.emit('close');
  });
  return responses;
}
