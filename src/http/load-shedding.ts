import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Draining } from '@latchkey/shutdown/draining';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Refusals } from './refusals.js';

// Three for each connection of the pool: more wait for one another anyway, and whatever is begun is copied by each garbage collection.
const MIN_LIMIT = 32;
const TARGET_LATENCY_SECONDS = 0.05;
const WINDOW_MS = 250;
const TICK_MS = 5;

// A burst, and what has come while the process stood still or was cold, is worked off in less.
const LONGEST_BURST_MS = 1000;

const HEALTH = /^\/api\/health(?:[/?]|$)/;

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Lets so many requests be worked on as are answered in 50 ms at the rate of late. Others wait; those that came last are begun first, since
 * they are answered in time then, and the others would not be either way. Where somebody waits for a second on end it is no burst:
 * from then on, until nobody had to wait for a while, requests beyond the limit are refused at once. Health is always answered.
 */
@Injectable()
export class LoadShedding implements OnApplicationShutdown {
  /** How many may be worked on. */
  limit = MIN_LIMIT;
  private isOverloaded = false;
  private nobodyWaitedAt = performance.now();
  /** Who sends slowly or takes no answer would otherwise fill the place of everybody. */
  private waitingForClients = 0;
  private finished = 0;
  private reported = 0;
  private readonly queue: { request: IncomingMessage; response: ServerResponse }[] = [];
  private readonly refusals: Refusals;
  private readonly logger = new Logger(LoadShedding.name);
  private adapting: NodeJS.Timeout | undefined;
  private ticking: NodeJS.Timeout | undefined;
  private handle: Handle = () => undefined;

  constructor(private readonly draining: Draining) {
    this.refusals = new Refusals(draining);
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.queue.length;
  }

  /** Requests that have been refused since the start. */
  get refused(): number {
    return this.refusals.count;
  }

  /** Stands before all that handles the server's requests so far. */
  protect(server: Server): void {
    const handlers = server.listeners('request');
    this.handle = (request, response) => {
      for (const handle of handlers) handle.call(server, request, response);
    };
    server.removeAllListeners('request');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (this.worked < this.limit || HEALTH.test(request.url ?? '')) {
        this.handle(request, response);
        return;
      }
      this.beginTicking();
      if (this.isOverloaded) this.refusals.refuse(request, response);
      else this.queue.push({ request, response });
    });
    this.draining.whenFinished = () => this.beginWaiting();
    this.adapting = setInterval(() => this.adapt(), WINDOW_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.adapting);
    clearInterval(this.ticking);
  }

  /** Requests that are being worked on. */
  private get worked(): number {
    return this.draining.inFlight - this.waitingForClients;
  }

  private beginWaiting(): void {
    while (this.queue.length > 0 && this.worked < this.limit) {
      const next = this.queue.pop();
      if (next !== undefined && !next.request.socket.destroyed) {
        this.handle(next.request, next.response);
      }
    }
  }

  /** Only while there is something to do, since to wake an idle process 200 times a second costs its host time. */
  private beginTicking(): void {
    if (this.ticking !== undefined) return;
    this.nobodyWaitedAt = performance.now();
    this.ticking = setInterval(() => this.tick(), TICK_MS).unref();
  }

  private tick(): void {
    const isSuspect = this.draining.inFlight >= MIN_LIMIT;
    this.waitingForClients = isSuspect ? this.draining.waitingForClients : 0;
    this.beginWaiting();
    const now = performance.now();
    if (this.queue.length === 0) this.nobodyWaitedAt = now;
    else if (now - this.nobodyWaitedAt > LONGEST_BURST_MS) this.isOverloaded = true;
    if (this.isOverloaded) {
      for (const { request, response } of this.queue.splice(0)) {
        this.refusals.refuse(request, response);
      }
    }
    this.refusals.sendPending();
    const isOver = !isSuspect && !this.isOverloaded && this.queue.length === 0;
    if (isOver && this.refusals.pending === 0) this.endTicking();
  }

  private endTicking(): void {
    clearInterval(this.ticking);
    this.ticking = undefined;
  }

  /** Little's law: what is in progress is the rate times the time that it takes. */
  private adapt(): void {
    const { finished } = this.draining;
    const perSecond = ((finished - this.finished) * 1000) / WINDOW_MS;
    this.limit = Math.max(MIN_LIMIT, Math.round(perSecond * TARGET_LATENCY_SECONDS));
    this.finished = finished;
    const refused = this.refused - this.reported;
    this.reported = this.refused;
    if (refused === 0) this.isOverloaded = false;
    else this.logger.warn(`Overloaded: ${refused} requests refused, ${this.worked} in progress`);
  }
}
