import type { IncomingMessage, ServerResponse } from 'node:http';
// Imported by name, because tests replace the global `performance` with a fake clock.
import { type EventLoopUtilization, performance as nodePerformance } from 'node:perf_hooks';
import { Logger } from '@nestjs/common';
import type { InFlightRequests } from './in-flight-requests.js';
import { OverloadResponder, type RenderOverload } from './overload-responder.js';
import { recordQueueTime } from './queue-time.js';

// docs/decisions/0032-load-shedding.md explains these values.
const MIN_LIMIT = 32;
const MIN_LATENCY_SECONDS = 0.005;
const MAX_LATENCY_SECONDS = 0.05;
const BUSY_UTILIZATION = 0.9;
const MAX_QUEUE_SECONDS = 0.1;
const MAX_BURST_MS = 1000;
const WINDOW_MS = 250;
const TICK_MS = 5;

export type Handle = (request: IncomingMessage, response: ServerResponse) => void;

export interface LoadSheddingOptions {
  /** Matches the URLs of requests that are always handled, such as health checks. */
  readonly exempt: RegExp;
  readonly render: RenderOverload;
  /** Returns how many in-flight requests are in another limit's queue. `inFlight` excludes them. */
  readonly waiting?: () => number;
}

/**
 * Adaptive concurrency limit: admits as many requests as the server recently completed in
 * 5–50 ms, and queues the other requests. If the queue stays above its limit for 1 s, refuses the
 * other requests instead.
 */
export class LoadShedder {
  /** How many requests may be in flight. */
  limit = MIN_LIMIT;
  /** How many requests complete in 100 ms. If the queue is longer, the newest request is next. */
  private queueLimit = MIN_LIMIT;
  private readonly queue: { response: ServerResponse; since: number }[] = [];
  private wasWithinLimitAt = performance.now();
  private isOverloaded = false;
  /** How many in-flight requests have slow clients. These must not occupy concurrency slots. */
  private waitingForClients = 0;
  private latencySeconds = MAX_LATENCY_SECONDS;
  /** Completed requests per second. A window without a queue can only raise this value. */
  private capacity = 0;
  private hasQueued = false;
  private completed = 0;
  private reported = 0;
  private utilization: EventLoopUtilization = nodePerformance.eventLoopUtilization();
  private readonly responder: OverloadResponder;
  private readonly logger = new Logger(LoadShedder.name);
  private readonly adapting = setInterval(() => this.adapt(), WINDOW_MS).unref();
  private ticking: NodeJS.Timeout | undefined;

  constructor(
    private readonly requests: InFlightRequests,
    private readonly options: LoadSheddingOptions,
    private readonly handle: Handle,
  ) {
    this.responder = new OverloadResponder(requests, options.render);
    requests.onCompleted = () => this.handleQueued();
  }

  get queued(): number {
    return this.queue.length;
  }

  /** The number of requests refused since the start of the process. */
  get refused(): number {
    return this.responder.refused;
  }

  /** Returns whether the request may be handled now. If not, queues or refuses the request. */
  admits(request: IncomingMessage, response: ServerResponse): boolean {
    const isNext = this.inFlight < this.limit && this.queue.length === 0;
    if (isNext || this.options.exempt.test(request.url ?? '')) return true;
    this.postpone(response);
    return false;
  }

  stop(): void {
    clearInterval(this.adapting);
    clearInterval(this.ticking);
  }

  private get inFlight(): number {
    return this.requests.count - this.waitingForClients - (this.options.waiting?.() ?? 0);
  }

  private postpone(response: ServerResponse): void {
    this.hasQueued = true;
    this.startTicking();
    // Without a socket, the response belongs to a pipelined request. Such requests are not queued,
    // because one connection could fill the queue.
    if (response.socket === null) response.req.socket.destroy();
    else if (this.isOverloaded) this.responder.refuse(response);
    else this.queue.push({ response, since: performance.now() });
  }

  private handleQueued(): void {
    while (this.queue.length > 0 && this.inFlight < this.limit) {
      const next = this.queue.length > this.queueLimit ? this.queue.pop() : this.queue.shift();
      if (next === undefined || next.response.req.socket.destroyed) continue;
      recordQueueTime(next.response.req, performance.now() - next.since);
      this.handle(next.response.req, next.response);
    }
  }

  /** Starts the timer. It runs only under load, because it wakes the process 200 times a second. */
  private startTicking(): void {
    if (this.ticking !== undefined) return;
    this.wasWithinLimitAt = performance.now();
    this.ticking = setInterval(() => this.tick(), TICK_MS).unref();
  }

  private tick(): void {
    const isFull = this.requests.count >= MIN_LIMIT;
    this.waitingForClients = isFull ? this.requests.waitingForClients : 0;
    this.handleQueued();
    this.detectOverload();
    this.responder.sendWaiting();
    const isIdle = !isFull && !this.isOverloaded && this.queue.length === 0;
    if (!isIdle || this.responder.waiting > 0) return;
    clearInterval(this.ticking);
    this.ticking = undefined;
  }

  private detectOverload(): void {
    const now = performance.now();
    if (this.queue.length <= this.queueLimit) this.wasWithinLimitAt = now;
    else if (now - this.wasWithinLimitAt > MAX_BURST_MS) this.isOverloaded = true;
    if (!this.isOverloaded) return;
    for (const { response } of this.queue.splice(0)) this.responder.refuse(response);
  }

  /** Adapts the limits by Little's law: requests in flight = throughput × latency. */
  private adapt(): void {
    const isBusy = this.measureUtilization() > BUSY_UTILIZATION;
    this.responder.adapt(isBusy);
    this.latencySeconds = isBusy
      ? Math.max(MIN_LATENCY_SECONDS, this.latencySeconds / 2)
      : Math.min(MAX_LATENCY_SECONDS, this.latencySeconds * 2);
    this.measureCapacity();
    this.limit = Math.max(MIN_LIMIT, Math.round(this.capacity * this.latencySeconds));
    this.queueLimit = Math.max(MIN_LIMIT, Math.round(this.capacity * MAX_QUEUE_SECONDS));
    const refused = this.refused - this.reported;
    this.reported = this.refused;
    if (refused === 0) this.isOverloaded = false;
    else this.logger.warn(`Overloaded: ${refused} requests refused, ${this.inFlight} in flight`);
  }

  private measureCapacity(): void {
    const { completed } = this.requests;
    const perSecond = ((completed - this.completed) * 1000) / WINDOW_MS;
    this.completed = completed;
    // Without a queue, a lower throughput means fewer requests, not a lower capacity.
    if (this.hasQueued || perSecond > this.capacity) this.capacity = perSecond;
    this.hasQueued = false;
  }

  /** The event loop's utilization since the last call, from 0 to 1. */
  private measureUtilization(): number {
    const now = nodePerformance.eventLoopUtilization();
    const { utilization } = nodePerformance.eventLoopUtilization(now, this.utilization);
    this.utilization = now;
    return utilization;
  }
}
