import { clientNetwork } from './client-network.js';
import { NetworkWindows } from './network-windows.js';
import type { SlidingWindow } from './sliding-window.js';

const WINDOW_MS = 60_000;

/**
 * Limits failed authentications in any 60 s by client network: an IPv4 address, or a /64 of IPv6.
 * Count only wrong credentials, so that an attacker cannot lock out clients with valid ones. Each
 * process has its own counters, because anonymous requests must not fill or load a shared store.
 */
export class FailedAuthLimit {
  private readonly failures = new NetworkWindows(WINDOW_MS);
  private readonly refusedAt = new WeakMap<SlidingWindow, number>();

  /** @param quota failures that a network may have in 60 s */
  constructor(private readonly quota: number) {}

  /** Counts a failed authentication from an IP address; returns a refusal beyond the limit. */
  count(address: string) {
    const now = performance.now();
    const window = this.failures.windowOf(clientNetwork(address), now);
    if (window.count(now) < this.quota) {
      window.add(now);
      return undefined;
    }
    const refusedAt = this.refusedAt.get(window) ?? -Infinity;
    this.refusedAt.set(window, now);
    return {
      retryAfterMs: window.msUntilLess(now),
      /** Whether this is the network's first refusal in a minute. */
      beginsIncident: now - refusedAt > WINDOW_MS,
    };
  }
}
