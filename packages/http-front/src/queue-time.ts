import type { IncomingMessage } from 'node:http';

const queueTimes = new WeakMap<IncomingMessage, number>();

export function recordQueueTime(request: IncomingMessage, ms: number): void {
  queueTimes.set(request, ms);
}

/** Returns how long the load shedder queued a request, in milliseconds. */
export function queueTimeOf(request: IncomingMessage): number {
  return queueTimes.get(request) ?? 0;
}
