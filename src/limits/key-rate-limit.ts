import { SlidingWindow } from '@latchkey/limits/sliding-window';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Budget, Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';
import { QuotaPolicy } from './quota-policy.js';
import { SharedAllotment } from './shared-allotment.js';
import { SharedStore } from './shared-store.js';

const WINDOW_SECONDS = 60;
const WINDOW_MS = WINDOW_SECONDS * 1000;

/** A response whose headers can be set. */
interface HeaderTarget {
  header(name: string, value: string): unknown;
}

/**
 * Limits the requests of a key in any 60 s. A request also counts against the limits of the key's
 * issuers. Root keys are exempt, even as issuers, because they can issue keys with any limit.
 */
@Injectable()
export class KeyRateLimit {
  private readonly isOn: boolean;
  private readonly defaultQuota: number;
  private readonly windows = new Map<string, RequestWindow>();
  private sweptAt = performance.now();

  constructor(
    private readonly store: SharedStore,
    config: ConfigService<Environment, true>,
  ) {
    this.isOn = config.get('LIMITS', { infer: true }) === 'on';
    this.defaultQuota = config.get('KEY_RATE_LIMIT', { infer: true });
  }

  /**
   * Counts a request, and sets response headers that state how many requests are left. Returns a
   * promise only if the request has to wait for Redis.
   * @throws ProblemException `RATE_LIMITED`
   */
  count({ budgets }: Principal, response: HeaderTarget): Promise<void> | undefined {
    if (!this.isOn || budgets.length === 0) return undefined;
    const windows = budgets.map((budget) => this.windowOf(budget));
    return countInEach(windows, response);
  }

  private windowOf({ keyId, rateLimit = this.defaultQuota }: Budget): RequestWindow {
    let window = this.windows.get(keyId);
    if (window === undefined) {
      this.deleteIdle(performance.now());
      window = new RequestWindow(this.store, keyId, rateLimit);
      this.windows.set(keyId, window);
    }
    window.setQuota(rateLimit);
    return window;
  }

  private deleteIdle(now: number): void {
    if (now - this.sweptAt < WINDOW_MS) return;
    this.sweptAt = now;
    for (const [keyId, { requests }] of this.windows) {
      if (requests.count(now) === 0) this.windows.delete(keyId);
    }
  }
}

/**
 * Counts the requests of one key: in this process and, while Redis is available, also in Redis.
 * Without Redis, the limit applies per process.
 */
class RequestWindow {
  readonly requests = new SlidingWindow(WINDOW_MS);
  policy: QuotaPolicy;
  private readonly allotment: SharedAllotment | undefined;

  constructor(
    private readonly store: SharedStore,
    keyId: string,
    quota: number,
  ) {
    this.policy = new QuotaPolicy('default', quota, WINDOW_SECONDS);
    if (store.redis) this.allotment = new SharedAllotment(store, keyId);
  }

  /** The requests that Redis allots to this process; undefined while Redis is unavailable. */
  get shared(): SharedAllotment | undefined {
    return this.store.isUp ? this.allotment : undefined;
  }

  /** Changes the limit without resetting the count. */
  setQuota(quota: number): void {
    if (quota === this.policy.quota) return;
    this.policy = new QuotaPolicy('default', quota, WINDOW_SECONDS);
    this.allotment?.forgetRefusal();
  }

  /** Milliseconds until a request may be admitted. Even at 0, Redis may refuse the request. */
  msUntilAdmission(now: number): number {
    if (this.requests.count(now) >= this.policy.quota) return this.requests.msUntilLess(now);
    return this.shared?.msUntilGrant(now) ?? 0;
  }

  take(now: number): void {
    this.requests.add(now);
    this.shared?.take();
  }

  /** Requests that may still be admitted after the latest one. */
  get remaining(): number {
    const remaining = this.policy.quota - this.requests.total;
    return Math.min(remaining, this.shared?.remaining ?? remaining);
  }

  /** Milliseconds until `remaining` increases. */
  msUntilMore(now: number): number {
    return this.shared?.msUntilMore(now) ?? this.requests.msUntilLess(now);
  }
}

/** Counts a request in every window, or in none. @throws ProblemException `RATE_LIMITED` */
function countInEach(
  windows: readonly RequestWindow[],
  response: HeaderTarget,
): Promise<void> | undefined {
  const now = performance.now();
  const fullest = windows.reduce((one, other) =>
    other.msUntilAdmission(now) > one.msUntilAdmission(now) ? other : one,
  );
  const wait = fullest.msUntilAdmission(now);
  if (wait > 0) throw new ProblemException('RATE_LIMITED', {}, fullest.policy.refusalHeaders(wait));
  const usedUp = windows.find(({ shared }) => shared?.isUsedUp(now));
  if (usedUp?.shared) {
    return usedUp.shared.refill(usedUp.policy).then(() => countInEach(windows, response));
  }
  for (const window of windows) window.take(now);
  const tightest = windows.reduce((one, other) => (other.remaining < one.remaining ? other : one));
  const { policy, remaining } = tightest;
  void response.header('ratelimit-policy', policy.header);
  void response.header('ratelimit', policy.allowance(remaining, tightest.msUntilMore(now)));
  return undefined;
}
