import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { FinishedRequest, RequestKind } from './finished-request.js';

// One for each key, and for those without.
const MAX_LATEST = 1000;

/** @param requests that are of this kind: one at least. */
export type RequestObserver = (kind: RequestKind, requests: readonly FinishedRequest[]) => void;

/** Requests of a kind that are still to be told of. */
interface Untold {
  readonly kind: RequestKind;
  requests: FinishedRequest[];
}

/**
 * Tells of every request, once, when it is over: refused ones too. It tells at the end of the turn of the event loop, and of all
 * alike at once: to look after one request is cheap among its kind, and after its answer it is a twentieth of the whole. Observers
 * register at start, in `onModuleInit`. They are called one after the other, so they must return at once, and never throw.
 */
@Injectable()
export class FinishedRequests implements BeforeApplicationShutdown {
  private readonly observers: RequestObserver[] = [];
  /** Of each key the latest kind, of which the next request is, too, most of the time. */
  private readonly latest = new Map<string | null, Untold>();
  private untold: Untold[] = [];
  private isEnding = false;

  observe(observer: RequestObserver): void {
    this.observers.push(observer);
  }

  announce(kind: RequestKind, requestId: string, durationMs: number): void {
    const known = this.alike(kind);
    if (this.untold.length === 0 && !this.isEnding) setImmediate(() => this.tell());
    if (known.requests.length === 0) this.untold.push(known);
    known.requests.push({ requestId, durationMs });
    if (this.isEnding) this.tell();
  }

  /** Observers write down what they have counted in `onApplicationShutdown`, which comes next. */
  beforeApplicationShutdown(): void {
    this.isEnding = true;
    this.tell();
  }

  private tell(): void {
    const { untold } = this;
    this.untold = [];
    for (const each of untold) {
      const { kind, requests } = each;
      each.requests = [];
      for (const observer of this.observers) observer(kind, requests);
    }
  }

  private alike(kind: RequestKind): Untold {
    const known = this.latest.get(kind.keyId);
    if (known !== undefined && isAlike(known.kind, kind)) return known;
    if (this.latest.size >= MAX_LATEST) this.latest.clear();
    const latest = { kind, requests: [] };
    this.latest.set(kind.keyId, latest);
    return latest;
  }
}

function isAlike(one: RequestKind, other: RequestKind): boolean {
  return (
    one.method === other.method &&
    one.route === other.route &&
    one.status === other.status &&
    one.source === other.source &&
    one.client === other.client &&
    one.keyId === other.keyId &&
    one.outcome === other.outcome &&
    one.limit === other.limit
  );
}
