import { clientNetwork } from './client-network.js';
import { NetworkWindows } from './network-windows.js';
import type { SlidingWindow } from './sliding-window.js';

const WINDOW_MS = 60_000;

/**
 * Limits failed authentications per client network within 60 s. A client network is an IPv4 address
 * or an IPv6 /64. Requests with valid credentials are neither counted nor refused, so an attacker
 * cannot lock out other clients. Each process has its own counters, because anonymous requests must
 * not load a shared store.
 */
export class FailedAuthLimit {
  private readonly failures = new NetworkWindows(WINDOW_MS);
  private readonly refusedAt = new WeakMap<SlidingWindow, number>();

  /** @param quota failures that a network may have in 60 s */
  constructor(private readonly quota: number) {}

  /**
   * Counts a failed authentication from an IP address. If the address's network has reached the
   * limit, returns a refusal instead.
   */
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
      /** Whether this is the network's first refusal after a minute without refusals. */
      beginsIncident: now - refusedAt > WINDOW_MS,
    };
  }
}
