import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Global, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { limitConnections } from './connections.js';
import { InFlightRequests } from './in-flight-requests.js';
import { type Handle, LoadShedder, type LoadSheddingOptions } from './load-shedder.js';
import { ProtocolErrorHandler, type ReportProtocolError } from './protocol-error-handler.js';
import { countPipelined } from './response-end.js';

// Idle connections close later than the `Keep-Alive` header announces, so that no request is lost.
const KEEP_ALIVE_MARGIN_MS = 700;

export interface FrontOptions {
  /** How long a connection may be idle before it is closed. */
  readonly keepAliveSeconds: number;
  /** How many more requests a client may send while it waits for a response (pipelining). */
  readonly maxPipelined: number;
  readonly reportProtocolError: ReportProtocolError;
  /** If undefined, no request is queued or shed. */
  readonly loadShedding?: LoadSheddingOptions;
}

/** Protects Fastify from malformed, pipelined and excess requests. See the README. */
@Injectable()
export class HttpFront implements OnApplicationShutdown {
  readonly requests = new InFlightRequests();
  /** Undefined without load shedding. */
  loadShedder: LoadShedder | undefined;

  /** Installs the protections. Call this method once, before the server listens. */
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

  /** Replaces Fastify's request listeners with one that calls them for admitted requests only. */
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
      // Only the response to a connection's oldest request has a socket. Without a limit, a client
      // that reads no responses could fill the memory with pipelined requests.
      const isPipelined = response.socket === null;
      if (isPipelined && countPipelined(request.socket) >= options.maxPipelined) {
        request.socket.destroy();
      } else if (!shedder || shedder.admits(request, response)) handle(request, response);
    };
    // 0 means no limit. By default, Node drops header fields after the 1,000th, but it must read
    // the same fields as a proxy in front.
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
