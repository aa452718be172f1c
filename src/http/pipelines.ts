import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { onResponseEnd } from '@latchkey/http-front/response-end';

const MOST = 16;

/** Counts the requests that came before an earlier one on their connection was answered (pipelining). */
export class Pipelines {
  private readonly lengths = new WeakMap<Socket, number>();

  /** Whether a request is one too many: who sends without end and reads no answers, without a key, would fill the memory. */
  isTooLong({ socket }: IncomingMessage, response: ServerResponse): boolean {
    if (response.socket !== null) return false;
    const length = (this.lengths.get(socket) ?? 0) + 1;
    if (length > MOST) return true;
    this.lengths.set(socket, length);
    onResponseEnd(response, () => this.lengths.set(socket, (this.lengths.get(socket) ?? 1) - 1));
    return false;
  }
}
