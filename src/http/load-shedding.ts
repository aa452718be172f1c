import type { IncomingMessage, Server, ServerResponse } from 'node:http';
// Beside the global, for which tests put a clock of their own: it has no event loop.
import { type EventLoopUtilization, performance as nodePerformance } from 'node:perf_hooks';
import { Draining } from '@latchkey/http-front/draining';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { WriteSlots } from '../limits/write-slots.js';
import { Refusals } from './refusals.js';
import { Pipelines } from './pipelines.js';
import { noteWaiting } from './waiting-time.js';

// Three for each connection of the pool: more wait for one another anyway.
const MIN_LIMIT = 32;
// What is in progress for longer lives through collections: where the process has no time to spare, 256 callers are answered half as
// often with 50 ms as with 5. Where it waits for others, it has to wait for many at once.
const MIN_WORKED_ON_SECONDS = 0.005;
const MAX_WORKED_ON_SECONDS = 0.05;
const BUSY_UTILIZATION = 0.9;
const PATIENCE_SECONDS = 0.1;
const WINDOW_MS = 250;
const TICK_MS = 5;

// A burst, and what has come while the process stood still or was cold, is worked off in less.
const LONGEST_BURST_MS = 1000;

const HEALTH = /^\/api\/health(?:[/?]|$)/;

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

interface Waiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** On the clock of `performance`. */
  readonly since: number;
}

/**
 * Lets so many requests be worked on as are answered in 5 ms at the rate of late, or in up to 50 ms where the event loop has time to
 * spare. Others wait, in order while nobody has to for more than 100 ms; beyond, those that came last are begun first, since they
 * are answered in time then, and the others would not be either way. Where it stays so for a second it is no burst: from then on,
 * until nobody has been refused for a while, requests beyond the limit are refused at once. Health is always answered.
 * See docs/decisions/0032-load-shedding.md.
 */
@Injectable()
export class LoadShedding implements OnApplicationShutdown {
  /** How many may be worked on. */
  limit = MIN_LIMIT;
  /** How many may wait before it is too long for the last of them. */
  private patience = MIN_LIMIT;
  private isOverloaded = false;
  private lastPatientAt = performance.now();
  /** Who sends slowly or takes no answer would otherwise fill the place of everybody. */
  private waitingForClients = 0;
  private workedOnSeconds = MAX_WORKED_ON_SECONDS;
  /** Answers per second when there was last more to do than may be worked on, or more than that. */
  private capacity = 0;
  private hasDelayed = false;
  private finished = 0;
  private reported = 0;
  private utilization: EventLoopUtilization = nodePerformance.eventLoopUtilization();
  private readonly queue: Waiting[] = [];
  private readonly refusals: Refusals;
  private readonly logger = new Logger(LoadShedding.name);
  private adapting: NodeJS.Timeout | undefined;
  private ticking: NodeJS.Timeout | undefined;
  private handle: Handle = () => undefined;
  private readonly pipelines = new Pipelines();

  constructor(
    private readonly draining: Draining,
    private readonly writes: WriteSlots,
  ) {
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
      if (this.pipelines.isTooLong(request, response)) {
        request.socket.destroy();
        return;
      }
      const isNext = this.worked < this.limit && this.queue.length === 0;
      if (isNext || HEALTH.test(request.url ?? '')) this.handle(request, response);
      else this.delay(request, response);
    });
    this.draining.whenFinished = () => this.beginWaiting();
    this.adapting = setInterval(() => this.adapt(), WINDOW_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.adapting);
    clearInterval(this.ticking);
  }

  /** Requests that are being worked on: one key's writes that wait for a slot must not occupy the places of others. */
  private get worked(): number {
    return this.draining.inFlight - this.waitingForClients - this.writes.waiting;
  }

  private delay(request: IncomingMessage, response: ServerResponse): void {
    this.hasDelayed = true;
    this.beginTicking();
    // Behind another one on its connection (pipelining). Who sends so, without a key, could send without end.
    if (response.socket === null) request.socket.destroy();
    else if (this.isOverloaded) this.refusals.refuse(request, response);
    else this.queue.push({ request, response, since: performance.now() });
  }

  private beginWaiting(): void {
    while (this.queue.length > 0 && this.worked < this.limit) {
      const next = this.queue.length > this.patience ? this.queue.pop() : this.queue.shift();
      if (next === undefined || next.request.socket.destroyed) continue;
      noteWaiting(next.request, performance.now() - next.since);
      this.handle(next.request, next.response);
    }
  }

  /** Only while there is something to do, since to wake an idle process 200 times a second costs its host time. */
  private beginTicking(): void {
    if (this.ticking !== undefined) return;
    this.lastPatientAt = performance.now();
    this.ticking = setInterval(() => this.tick(), TICK_MS).unref();
  }

  private tick(): void {
    const isSuspect = this.draining.inFlight >= MIN_LIMIT;
    this.waitingForClients = isSuspect ? this.draining.waitingForClients : 0;
    this.beginWaiting();
    const now = performance.now();
    if (this.queue.length <= this.patience) this.lastPatientAt = now;
    else if (now - this.lastPatientAt > LONGEST_BURST_MS) this.isOverloaded = true;
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
    const isBusy = this.takeUtilization() > BUSY_UTILIZATION;
    this.refusals.adapt(isBusy);
    this.workedOnSeconds = isBusy
      ? Math.max(MIN_WORKED_ON_SECONDS, this.workedOnSeconds / 2)
      : Math.min(MAX_WORKED_ON_SECONDS, this.workedOnSeconds * 2);
    const { finished } = this.draining;
    const perSecond = ((finished - this.finished) * 1000) / WINDOW_MS;
    this.finished = finished;
    // A rate below it says nothing where nobody had to wait: less was asked for.
    if (this.hasDelayed || perSecond > this.capacity) this.capacity = perSecond;
    this.hasDelayed = false;
    this.limit = Math.max(MIN_LIMIT, Math.round(this.capacity * this.workedOnSeconds));
    this.patience = Math.max(MIN_LIMIT, Math.round(this.capacity * PATIENCE_SECONDS));
    const refused = this.refused - this.reported;
    this.reported = this.refused;
    if (refused === 0) this.isOverloaded = false;
    else this.logger.warn(`Overloaded: ${refused} requests refused, ${this.worked} in progress`);
  }

  /** Of the event loop since this was last asked, from 0 to 1. */
  private takeUtilization(): number {
    const now = nodePerformance.eventLoopUtilization();
    const { utilization } = nodePerformance.eventLoopUtilization(now, this.utilization);
    this.utilization = now;
    return utilization;
  }
}
