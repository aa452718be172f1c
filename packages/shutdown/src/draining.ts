import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { setImmediate as afterPolling } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

const CHECK_INTERVAL_MS = 50;
// For clients that have only just connected to send their request.
const SILENCE_LIMIT_MS = 500;
/** How long requests in flight may take to finish once no more are accepted. */
export const CLOSING_LIMIT_MS = 4000;

/** Whether a server is about to end, and the requests that it is answering until then. */
export class Draining {
  private readonly open = new Set<ServerResponse>();
  private hasBegun = false;
  private server: Server | undefined;

  /** Whether clients should go elsewhere. Those that stay are served still. */
  get isDraining(): boolean {
    return this.hasBegun;
  }

  /** To be called before the server listens. */
  watch(fastify: FastifyInstance): void {
    this.server = fastify.server;
    fastify.addHook('onRequest', (_request, reply, done) => {
      this.track(reply.raw);
      done();
    });
    fastify.addHook('preClose', (done) => {
      this.closeConnections(fastify.server);
      done();
    });
  }

  /** From now on every answer, also to requests in flight, has `Connection: close`. */
  begin(): void {
    this.hasBegun = true;
    for (const response of this.open) response.shouldKeepAlive = false;
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
    this.open.add(response);
    response.once('close', () => this.open.delete(response));
    if (this.hasBegun) response.shouldKeepAlive = false;
  }

  /** Closes the connections of a server that accepts no more, as soon as nobody waits for an answer on them. */
  private closeConnections(server: Server): void {
    this.begin();
    const closedAt = performance.now();
    const timer = setInterval(() => {
      const elapsed = performance.now() - closedAt;
      const isQuiet = this.open.size === 0 && elapsed > SILENCE_LIMIT_MS;
      // Node counts a connection that never sent anything as busy.
      if (isQuiet || elapsed > CLOSING_LIMIT_MS) server.closeAllConnections();
      else server.closeIdleConnections();
    }, CHECK_INTERVAL_MS).unref();
    server.once('close', () => clearInterval(timer));
  }
}
