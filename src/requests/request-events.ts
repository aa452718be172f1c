import { type BeforeApplicationShutdown, Global, Injectable, Module } from '@nestjs/common';
import type { RequestEvent, RequestLabels } from './request-event.js';

// Bounds the memory of `latest`, which contains one batch per key.
const MAX_BATCHES = 1000;

/** @param events one or more events, all with these labels */
export type RequestObserver = (labels: RequestLabels, events: readonly RequestEvent[]) => void;

interface Batch {
  readonly labels: RequestLabels;
  events: RequestEvent[];
}

/**
 * Emits one event per completed or refused request. Events with identical labels are delivered in
 * one batch per event-loop tick (docs/decisions/0041). Observers must register in `onModuleInit`,
 * must not block and must not throw.
 */
@Injectable()
export class RequestEvents implements BeforeApplicationShutdown {
  private readonly observers: RequestObserver[] = [];
  /** The latest batch of each key id. The next request of a key usually has the same labels. */
  private readonly latest = new Map<string | null, Batch>();
  private pending: Batch[] = [];
  private isShuttingDown = false;

  observe(observer: RequestObserver): void {
    this.observers.push(observer);
  }

  emit(event: RequestEvent): void {
    const batch = this.batchFor(event.labels);
    if (this.pending.length === 0 && !this.isShuttingDown) setImmediate(() => this.flush());
    if (batch.events.length === 0) this.pending.push(batch);
    batch.events.push(event);
    if (this.isShuttingDown) this.flush();
  }

  /** Delivers the pending events before observers save their counts in `onApplicationShutdown`. */
  beforeApplicationShutdown(): void {
    this.isShuttingDown = true;
    this.flush();
  }

  private flush(): void {
    const { pending } = this;
    this.pending = [];
    for (const batch of pending) {
      const { labels, events } = batch;
      batch.events = [];
      for (const observer of this.observers) observer(labels, events);
    }
  }

  private batchFor(labels: RequestLabels): Batch {
    const latest = this.latest.get(labels.keyId);
    if (latest !== undefined && haveSameLabels(latest.labels, labels)) return latest;
    if (this.latest.size >= MAX_BATCHES) this.latest.clear();
    const batch = { labels, events: [] };
    this.latest.set(labels.keyId, batch);
    return batch;
  }
}

function haveSameLabels(one: RequestLabels, other: RequestLabels): boolean {
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

@Global()
@Module({ providers: [RequestEvents], exports: [RequestEvents] })
export class RequestEventsModule {}
