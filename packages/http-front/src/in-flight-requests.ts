import type { Server, ServerResponse } from 'node:http';
import { onResponseEnd } from './response-end.js';

const CHECK_INTERVAL_MS = 50;
// How long a closing server keeps idle connections: a new client may be about to send a request.
const IDLE_TIMEOUT_MS = 500;
/** How long a closing server waits for the requests in flight. */
export const CLOSE_TIMEOUT_MS = 4000;

/** The requests that Fastify has received and whose responses have not ended. */
export class InFlightRequests {
  /** The number of requests whose response has ended since the start of the process. */
  completed = 0;
  /** Called after each completed request. */
  onCompleted: () => void = () => undefined;
  /** Whether the process is about to stop. Requests are still served. */
  isDraining = false;
  // An array with reused slots: a Set would keep short-lived objects alive (docs/decisions/0028).
  private readonly responses: (ServerResponse | undefined)[] = [];
  private readonly freeSlots: number[] = [];

  get count(): number {
    return this.responses.length - this.freeSlots.length;
  }

  /** The number of requests whose client still sends the body or reads the response. O(count). */
  get waitingForClients(): number {
    let waiting = 0;
    for (const response of this.responses) {
      if (response && isWithClient(response)) waiting += 1;
    }
    return waiting;
  }

  /** From now on, adds `Connection: close` to every response, also for requests in flight. */
  drain(): void {
    this.isDraining = true;
    for (const response of this.responses) if (response) response.shouldKeepAlive = false;
  }

  /** Closes each connection of a closing server as soon as its client waits for no response. */
  closeConnections(server: Server): void {
    this.drain();
    const closedAt = performance.now();
    const timer = setInterval(() => {
      const elapsed = performance.now() - closedAt;
      const isIdle = this.count === 0 && elapsed > IDLE_TIMEOUT_MS;
      // `closeIdleConnections` does not close connections on which no request has arrived yet.
      if (isIdle || elapsed > CLOSE_TIMEOUT_MS) server.closeAllConnections();
      else server.closeIdleConnections();
    }, CHECK_INTERVAL_MS).unref();
    server.once('close', () => clearInterval(timer));
  }

  track(response: ServerResponse): void {
    const slot = this.freeSlots.pop() ?? this.responses.length;
    this.responses[slot] = response;
    if (this.isDraining) response.shouldKeepAlive = false;
    onResponseEnd(response, () => {
      this.responses[slot] = undefined;
      this.freeSlots.push(slot);
      this.completed += 1;
      this.onCompleted();
    });
  }
}

function isWithClient({ req, writableEnded, writableNeedDrain }: ServerResponse): boolean {
  return !req.complete || writableEnded || writableNeedDrain;
}
