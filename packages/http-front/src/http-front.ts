import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Global, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { limitConnections } from './connections.js';
import { InFlightRequests } from './in-flight-requests.js';
import { type Handle, LoadShedder, type LoadSheddingOptions } from './load-shedder.js';
import { ProtocolErrorHandler, type ReportProtocolError } from './protocol-error-handler.js';
import { countPipelined } from './response-end.js';

// The server closes an idle connection later than it announces, so that no request is lost.
const KEEP_ALIVE_MARGIN_MS = 700;

export interface FrontOptions {
  /** How long a connection may be idle. */
  readonly keepAliveSeconds: number;
  /** Requests that a connection may send before an earlier one is answered. */
  readonly maxPipelined: number;
  readonly reportProtocolError: ReportProtocolError;
  /** Without it every request is handled at once. */
  readonly loadShedding?: LoadSheddingOptions;
}

/** Everything between Node's HTTP server and the framework's handlers. See the README. */
@Injectable()
export class HttpFront implements OnApplicationShutdown {
  readonly requests = new InFlightRequests();
  /** Undefined without load shedding. */
  loadShedder: LoadShedder | undefined;

  /** Call it once, before the server listens. */
  protect(fastify: FastifyInstance, options: FrontOptions): void {
    const { server } = fastify;
    server.keepAliveTimeout = options.keepAliveSeconds * 1000 + KEEP_ALIVE_MARGIN_MS;
    limitConnections(server);
    this.receiveRequests(server, options);
    fastify.addHook('preClose', (done) => {
      this.requests.closeConnections(server);
      done();
    });
  }

  onApplicationShutdown(): void {
    this.loadShedder?.stop();
  }

  /** Replaces the framework's listeners by one that calls them last. */
  private receiveRequests(server: Server, options: FrontOptions): void {
    const protocol = new ProtocolErrorHandler(options.reportProtocolError);
    const handlers = server.listeners('request');
    const handle: Handle = (request, response) => {
      this.requests.track(response);
      for (const handler of handlers) handler.call(server, request, response);
    };
    const shedder =
      options.loadShedding && new LoadShedder(this.requests, options.loadShedding, handle);
    this.loadShedder = shedder;

    const receive = (request: IncomingMessage, response: ServerResponse, expects100 = false) => {
      if (protocol.refuses(request, response)) return;
      if (expects100) response.writeContinue();
      // Only the response to the oldest request of a connection has the socket. Without a limit, a
      // client that reads no response could fill the memory.
      const isPipelined = response.socket === null;
      if (isPipelined && countPipelined(request.socket) >= options.maxPipelined) {
        request.socket.destroy();
      } else if (!shedder || shedder.admits(request, response)) handle(request, response);
    };
    // Node would drop fields after the 1,000th: a proxy and this server would see different ones.
    server.maxHeadersCount = 0;
    server.removeAllListeners('request').removeAllListeners('clientError');
    server.on('request', (request, response) => receive(request, response));
    server.on('checkContinue', (request, response) => receive(request, response, true));
    server.on('checkExpectation', (request, response) =>
      protocol.refuseExpectation(request, response),
    );
    server.on('connect', (request, socket) => protocol.refuseTunnel(request, socket));
    server.on('clientError', (error, socket) => protocol.refuseUnparsed(error, socket));
  }
}

@Global()
@Module({ providers: [HttpFront], exports: [HttpFront] })
export class HttpFrontModule {}
