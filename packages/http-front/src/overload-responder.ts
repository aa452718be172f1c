import type { ServerResponse } from 'node:http';
import { requestIdOf } from '@latchkey/logging/request-id';
import { complete, type ErrorResponse } from './error-response.js';
import type { InFlightRequests } from './in-flight-requests.js';

// docs/decisions/0032-load-shedding.md explains these rates.
const MAX_PER_SECOND = 6000;
const MAX_PER_SECOND_WHEN_BUSY = 2000;
const BURST = 200;
// Equals the maximum number of connections: in a longer queue, some clients must have disconnected.
const MAX_WAITING = 10_000;

/** Renders the response to a request that is refused because of overload. */
export type RenderOverload = (requestId: string) => ErrorResponse;

/**
 * Limits the rate of refusals (token bucket). Otherwise, responses to clients that retry would use
 * up the CPU.
 */
export class OverloadResponder {
  /** The number of requests refused since the start of the process. */
  refused = 0;
  private perSecond = MAX_PER_SECOND;
  private tokens = BURST;
  private refilledAt = performance.now();
  private queue: ServerResponse[] = [];

  constructor(
    private readonly requests: InFlightRequests,
    private readonly render: RenderOverload,
  ) {}

  /** The number of refusals that are queued to be sent. */
  get waiting(): number {
    return this.queue.length;
  }

  refuse(response: ServerResponse): void {
    this.refused += 1;
    if (this.tokens >= 1 && this.queue.length === 0) this.send(response);
    else this.enqueue(response);
  }

  /** @param isBusy whether the event loop is saturated */
  adapt(isBusy: boolean): void {
    this.perSecond = isBusy ? MAX_PER_SECOND_WHEN_BUSY : MAX_PER_SECOND;
  }

  /** Sends as many queued refusals as the rate allows. Call it every few milliseconds. */
  sendWaiting(): void {
    const now = performance.now();
    const earned = ((now - this.refilledAt) / 1000) * this.perSecond;
    this.refilledAt = now;
    this.tokens = Math.min(BURST, this.tokens + earned);
    let handled = 0;
    for (const response of this.queue) {
      if (this.tokens < 1) break;
      if (isConnected(response)) this.send(response);
      handled += 1;
    }
    this.queue.splice(0, handled);
  }

  private enqueue(response: ServerResponse): void {
    if (this.queue.length >= MAX_WAITING) this.queue = this.queue.filter(isConnected);
    if (this.queue.length < MAX_WAITING) this.queue.push(response);
    else response.req.socket.destroy();
  }

  private send(response: ServerResponse): void {
    this.tokens -= 1;
    const { headers: received } = response.req;
    const requestId = requestIdOf(response.req);
    const { status, headers, body } = complete(this.render(requestId), requestId);
    // The request's body is not read, so the connection cannot be reused.
    const hasBody = 'content-length' in received || 'transfer-encoding' in received;
    if (hasBody || this.requests.isDraining) response.shouldKeepAlive = false;
    response.writeHead(status, headers).end(body);
  }
}

function isConnected({ req }: ServerResponse): boolean {
  return !req.socket.destroyed;
}
