import type { Server, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';

const CHECK_INTERVAL_MS = 50;
/** How long requests in flight may take to finish once no more are accepted. */
export const CLOSING_LIMIT_MS = 4000;

/** Whether a server is about to end, and the requests that it is answering until then. */
export class Draining {
  private readonly open = new Set<ServerResponse>();
  private hasBegun = false;

  /** Whether clients should go elsewhere. Those that stay are served still. */
  get isDraining(): boolean {
    return this.hasBegun;
  }

  /** To be called before the server listens. */
  watch(fastify: FastifyInstance): void {
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

  private track(response: ServerResponse): void {
    this.open.add(response);
    response.once('close', () => this.open.delete(response));
    if (this.hasBegun) response.shouldKeepAlive = false;
  }

  /** Closes the connections of a server that accepts no more, as soon as nobody waits for an answer on them. */
  private closeConnections(server: Server): void {
    this.begin();
    const deadline = performance.now() + CLOSING_LIMIT_MS;
    const timer = setInterval(() => {
      const isOver = this.open.size === 0 || performance.now() > deadline;
      // Node counts a connection that never sent anything as busy.
      if (isOver) server.closeAllConnections();
      else server.closeIdleConnections();
    }, CHECK_INTERVAL_MS).unref();
    server.once('close', () => clearInterval(timer));
  }
}
