import type { FinishedRequest } from './finished-request.js';

export type RequestObserver = (request: FinishedRequest) => void;

/**
 * Tells of every request, once, when it is over: refused ones too. Observers register at start, in `onModuleInit`. They are
 * called one after the other, so they must return at once, and never throw.
 */
export class FinishedRequests {
  private readonly observers: RequestObserver[] = [];

  observe(observer: RequestObserver): void {
    this.observers.push(observer);
  }

  announce(request: FinishedRequest): void {
    for (const observer of this.observers) observer(request);
  }
}
