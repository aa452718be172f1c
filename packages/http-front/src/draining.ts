import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setImmediate as afterPolling } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { onResponseEnd } from './response-end.js';

const CHECK_INTERVAL_MS = 50;
// For clients that have only just connected to send their request.
const SILENCE_LIMIT_MS = 500;
/** How long requests in flight may take to finish once no more are accepted. */
export const CLOSING_LIMIT_MS = 4000;

/** Whether a server is about to end, and how many requests it is answering until then. */
export class Draining {
  /** Requests that are over, since the start. */
  finished = 0;
  /** Called whenever one is. */
  whenFinished: () => void = () => undefined;
  // Places that are used again, and not a set: what has passed through a set that lives on outlives its own time in the heap, which
  // takes a tenth of all time under load.
  private readonly open: (ServerResponse | undefined)[] = [];
  private readonly freePlaces: number[] = [];
  private hasBegun = false;
  private server: Server | undefined;

  /** Requests in progress. */
  get inFlight(): number {
    return this.open.length - this.freePlaces.length;
  }

  /** Of these, how many wait for their client: to send the rest of a body, or to take the answer. It looks at each. */
  get waitingForClients(): number {
    let waiting = 0;
    for (const response of this.open) {
      if (response && isWithClient(response)) waiting += 1;
    }
    return waiting;
  }

  /** Whether clients should go elsewhere. Those that stay are served still. */
  get isDraining(): boolean {
    return this.hasBegun;
  }

  /** To be called before the server listens. */
  watch(fastify: FastifyInstance): void {
    const { server } = fastify;
    this.server = server;
    server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) =>
      this.track(response),
    );
    fastify.addHook('preClose', (done) => {
      this.closeConnections(server);
      done();
    });
  }

  /** From now on every answer, also to requests in flight, has `Connection: close`. */
  begin(): void {
    this.hasBegun = true;
    for (const response of this.open) if (response) response.shouldKeepAlive = false;
  }

  /** Accepts no more connections; resolves when everybody has been answered. */
  async finish(): Promise<void> {
    const { server } = this;
    if (!server?.listening) return;
    // Just after the event loop has accepted all connections: those that wait in the system's queue would be reset.
    await afterPolling();
    const closed = once(server, 'close');
    server.close();
    this.closeConnections(server);
    await closed;
  }

  private track(response: ServerResponse): void {
    const place = this.freePlaces.pop() ?? this.open.length;
    this.open[place] = response;
    if (this.hasBegun) response.shouldKeepAlive = false;
    onResponseEnd(response, () => {
      this.open[place] = undefined;
      this.freePlaces.push(place);
      this.finished += 1;
      this.whenFinished();
    });
  }

  /** Closes the connections of a server that accepts no more, as soon as nobody waits for an answer on them. */
  private closeConnections(server: Server): void {
    this.begin();
    const closedAt = performance.now();
    const timer = setInterval(() => {
      const elapsed = performance.now() - closedAt;
      const isQuiet = this.inFlight === 0 && elapsed > SILENCE_LIMIT_MS;
      // Node counts a connection that never sent anything as busy.
      if (isQuiet || elapsed > CLOSING_LIMIT_MS) server.closeAllConnections();
      else server.closeIdleConnections();
    }, CHECK_INTERVAL_MS).unref();
    server.once('close', () => clearInterval(timer));
  }
}

function isWithClient({ req, writableEnded, writableNeedDrain }: ServerResponse): boolean {
  return !req.complete || writableEnded || writableNeedDrain;
}
