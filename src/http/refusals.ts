import type { IncomingMessage, ServerResponse } from 'node:http';
import { REQUEST_ID_HEADER, requestIdOf } from '@latchkey/logging/request-id';
import type { Draining } from '@latchkey/http-front/draining';
import { ProblemException, renderProblem } from '../problems/problem.js';

// With the reading of the request a refusal costs 33 µs at least: so many are a fifth of a core.
const PER_SECOND = 6000;
// Where the process itself is what there is too little of, the time is that of the others' answers.
const PER_SECOND_WHEN_BUSY = 2000;
const AT_ONCE = 200;
// As many as there may be connections: beyond are clients that have left.
const MOST_UNSENT = 10_000;

const ID_PLACE = 'REQUEST-ID';

/**
 * Answers requests with 503 and before they cost anything. At a bounded rate, since clients that ask again and again would otherwise
 * take the time that the others' answers need.
 */
export class Refusals {
  /** Requests that have been refused since the start. */
  count = 0;
  private perSecond = PER_SECOND;
  private allowance = AT_ONCE;
  private allowedAt = performance.now();
  private unsent: { request: IncomingMessage; response: ServerResponse }[] = [];
  private readonly status: number;
  private readonly headers: Readonly<Record<string, string>>;
  /** Between them is the request's id. */
  private readonly bodyParts: readonly string[];

  constructor(private readonly draining: Draining) {
    const { status, headers, body } = renderProblem(new ProblemException('OVERLOADED'), ID_PLACE);
    this.status = status;
    this.headers = headers;
    this.bodyParts = body.split(ID_PLACE);
  }

  /** How many of them are still to be sent. */
  get pending(): number {
    return this.unsent.length;
  }

  refuse(request: IncomingMessage, response: ServerResponse): void {
    this.count += 1;
    if (this.allowance >= 1 && this.unsent.length === 0) {
      this.allowance -= 1;
      this.send(request, response);
    } else this.postpone(request, response);
  }

  /** @param isBusy whether the event loop has no time to spare. */
  adapt(isBusy: boolean): void {
    this.perSecond = isBusy ? PER_SECOND_WHEN_BUSY : PER_SECOND;
  }

  /** To be called every few milliseconds. */
  sendPending(): void {
    const now = performance.now();
    const earned = ((now - this.allowedAt) / 1000) * this.perSecond;
    this.allowedAt = now;
    this.allowance = Math.min(AT_ONCE, this.allowance + earned);
    let taken = 0;
    for (const { request, response } of this.unsent) {
      if (this.allowance < 1) break;
      taken += 1;
      // Who has left meanwhile takes nobody's turn.
      if (request.socket.destroyed) continue;
      this.allowance -= 1;
      this.send(request, response);
    }
    this.unsent.splice(0, taken);
  }

  private postpone(request: IncomingMessage, response: ServerResponse): void {
    if (this.unsent.length >= MOST_UNSENT) {
      this.unsent = this.unsent.filter((each) => !each.request.socket.destroyed);
    }
    if (this.unsent.length < MOST_UNSENT) this.unsent.push({ request, response });
    else request.socket.destroy();
  }

  private send(request: IncomingMessage, response: ServerResponse): void {
    const id = requestIdOf(request);
    const text = this.bodyParts.join(id);
    // The body that was announced is not read.
    const hasBody = 'content-length' in request.headers || 'transfer-encoding' in request.headers;
    if (hasBody || this.draining.isDraining) response.shouldKeepAlive = false;
    response.writeHead(this.status, {
      ...this.headers,
      [REQUEST_ID_HEADER]: id,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-length': String(Buffer.byteLength(text)),
    });
    response.end(text);
  }
}
