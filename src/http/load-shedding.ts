import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { REQUEST_ID_HEADER, requestIdOf } from '@latchkey/logging/request-id';
import { Draining } from '@latchkey/shutdown/draining';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ProblemException, renderProblem } from './problem.js';

// So many at once say nothing of what can be answered: they may be all that comes, or what has come while the process stood still.
const BURST_LIMIT = 1024;
// Three for each connection of the pool: more wait for one another anyway, and whatever waits is copied by each garbage collection.
const MIN_LIMIT = 32;
const TARGET_LATENCY_SECONDS = 0.05;
const WINDOW_MS = 250;

// A refusal costs 17 µs: so many are a twentieth of a core.
const REFUSALS_PER_SECOND = 3000;
const TICK_MS = 5;
const REFUSAL_BURST = 100;

const HEALTH = /^\/api\/health(?:[/?]|$)/;
const ID_PLACE = 'REQUEST-ID';

/**
 * Refuses requests that could not be answered soon, with 503 and before they cost anything: when more are in progress than are
 * answered in 50 ms at the rate of late, and than may be a burst. Refusals are sent at a bounded rate, since a client that asks again and
 * again would otherwise take the time that the others' answers need. Health is always answered.
 */
@Injectable()
export class LoadShedding implements OnApplicationShutdown {
  /** Requests that have been refused since the start. */
  refused = 0;
  /** How many may be in progress. */
  limit = BURST_LIMIT;
  /** What may be in progress however slow the answers are. */
  private floor = BURST_LIMIT;
  /** The fewest that were being worked on since the limit was last adapted. */
  private fewest = 0;
  /** Who sends slowly or takes no answer would otherwise fill the place of everybody. */
  private waitingForClients = 0;
  private finished = 0;
  private reported = 0;
  private readonly logger = new Logger(LoadShedding.name);
  private readonly refusal = renderProblem(new ProblemException('OVERLOADED'), ID_PLACE);
  private readonly waiting: (() => void)[] = [];
  private allowance = REFUSAL_BURST;
  private allowedAt = performance.now();
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(private readonly draining: Draining) {}

  /** Stands before all that handles the server's requests so far. */
  protect(server: Server): void {
    const handlers = server.listeners('request');
    server.removeAllListeners('request');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (!this.admits(request)) this.refuse(request, response);
      else for (const handle of handlers) handle.call(server, request, response);
    });
    this.timers.push(
      setInterval(() => this.adapt(), WINDOW_MS).unref(),
      setInterval(() => this.tick(), TICK_MS).unref(),
    );
  }

  onApplicationShutdown(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  private admits({ url = '' }: IncomingMessage): boolean {
    return this.worked < this.limit || HEALTH.test(url);
  }

  /** Requests that are being worked on. */
  private get worked(): number {
    return this.draining.inFlight - this.waitingForClients;
  }

  private refuse(request: IncomingMessage, response: ServerResponse): void {
    this.refused += 1;
    const send = () => this.sendRefusal(request, response);
    if (this.allowance >= 1 && this.waiting.length === 0) {
      this.allowance -= 1;
      send();
    } else this.waiting.push(send);
  }

  private tick(): void {
    const isSuspect = this.draining.inFlight >= MIN_LIMIT;
    this.waitingForClients = isSuspect ? this.draining.waitingForClients : 0;
    this.fewest = Math.min(this.fewest, this.worked);
    this.sendRefusals();
  }

  private sendRefusals(): void {
    const now = performance.now();
    const earned = ((now - this.allowedAt) / 1000) * REFUSALS_PER_SECOND;
    this.allowedAt = now;
    this.allowance = Math.min(REFUSAL_BURST, this.allowance + earned);
    const due = this.waiting.splice(0, this.allowance);
    this.allowance -= due.length;
    for (const send of due) send();
  }

  private sendRefusal(request: IncomingMessage, response: ServerResponse): void {
    const id = requestIdOf(request);
    const { status, headers, body } = this.refusal;
    const text = body.replaceAll(ID_PLACE, id);
    // The body that was announced is not read.
    const hasBody = 'content-length' in request.headers || 'transfer-encoding' in request.headers;
    if (hasBody || this.draining.isDraining) response.shouldKeepAlive = false;
    response.writeHead(status, {
      ...headers,
      [REQUEST_ID_HEADER]: id,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-length': String(Buffer.byteLength(text)),
    });
    response.end(text);
  }

  /**
   * Little's law: what is in progress is the rate times the time that it takes. A burst is gone before the next window; what stays is
   * a queue, of which less and less is let in (as CoDel does, RFC 8289).
   */
  private adapt(): void {
    const { worked } = this;
    const { finished } = this.draining;
    const perSecond = ((finished - this.finished) * 1000) / WINDOW_MS;
    const answerable = Math.round(perSecond * TARGET_LATENCY_SECONDS);
    const refused = this.refused - this.reported;
    if (this.fewest > answerable) this.floor = Math.max(MIN_LIMIT, this.floor / 2);
    else if (refused === 0) this.floor = Math.min(BURST_LIMIT, this.floor * 2);
    this.limit = Math.max(this.floor, answerable);
    this.finished = finished;
    this.fewest = worked;
    this.reported = this.refused;
    if (refused > 0) {
      this.logger.warn(`Overloaded: ${refused} requests refused, ${worked} in progress`);
    }
  }
}
