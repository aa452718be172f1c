import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Budget, Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';
import { QuotaPolicy } from './quota-policy.js';
import { RequestWindow } from './request-window.js';
import { SharedStore } from './shared-store.js';

const WINDOW_SECONDS = 60;

/** A response whose headers can be set. */
interface HeaderTarget {
  header(name: string, value: string): unknown;
}

/**
 * Limits the requests of a key in any 60 s, by its own budget and those of its issuers. Root keys are not limited: they could
 * issue themselves keys without end.
 */
@Injectable()
export class KeyRateLimit {
  private readonly isOn: boolean;
  private readonly defaultQuota: number;
  private readonly policies = new Map<number, QuotaPolicy>();
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
   * Counts a request and states in its headers how many are left. A promise only if Redis has to be awaited.
   * @throws ProblemException `RATE_LIMITED`
   */
  count({ budgets }: Principal, response: HeaderTarget): Promise<void> | undefined {
    if (!this.isOn || budgets.length === 0) return undefined;
    const windows = budgets.map((budget) => this.windowOf(budget));
    const empty = takeFromAll(windows, response);
    return empty && takeWithRefills(windows, empty, response);
  }

  private windowOf({ keyId, rateLimit = this.defaultQuota }: Budget): RequestWindow {
    const known = this.windows.get(keyId);
    if (known === undefined) return this.open(keyId, rateLimit);
    if (known.policy.quota !== rateLimit) known.policy = this.policyOf(rateLimit);
    return known;
  }

  private open(keyId: string, quota: number): RequestWindow {
    this.forgetIdle(performance.now());
    const opened = new RequestWindow(this.store, keyId, this.policyOf(quota));
    this.windows.set(keyId, opened);
    return opened;
  }

  private policyOf(quota: number): QuotaPolicy {
    const known = this.policies.get(quota);
    if (known !== undefined) return known;
    const policy = new QuotaPolicy('default', quota, WINDOW_SECONDS);
    this.policies.set(quota, policy);
    return policy;
  }

  private forgetIdle(now: number): void {
    if (now - this.sweptAt < WINDOW_SECONDS * 1000) return;
    this.sweptAt = now;
    for (const [keyId, window] of this.windows) {
      if (window.isIdle(now)) this.windows.delete(keyId);
    }
  }
}

/**
 * Counts a request in every window, or in none.
 * @returns a window that has to be refilled first, if there is one.
 * @throws ProblemException `RATE_LIMITED`
 */
function takeFromAll(
  windows: readonly RequestWindow[],
  response: HeaderTarget,
): RequestWindow | undefined {
  const now = performance.now();
  refuseIfFull(windows, now);
  for (const window of windows) if (window.needsRefill(now)) return window;
  for (const window of windows) window.take(now);
  announceTightest(windows, now, response);
  return undefined;
}

async function takeWithRefills(
  windows: readonly RequestWindow[],
  firstEmpty: RequestWindow,
  response: HeaderTarget,
): Promise<void> {
  let empty: RequestWindow | undefined = firstEmpty;
  while (empty !== undefined) {
    await empty.refill();
    empty = takeFromAll(windows, response);
  }
}

function refuseIfFull(windows: readonly RequestWindow[], now: number): void {
  let fullest: RequestWindow | undefined;
  let longest = 0;
  for (const window of windows) {
    const wait = window.msUntilRoom(now);
    if (wait <= longest) continue;
    fullest = window;
    longest = wait;
  }
  if (fullest === undefined) return;
  throw new ProblemException('RATE_LIMITED', {}, fullest.policy.refusalHeaders(longest));
}

function announceTightest(
  windows: readonly RequestWindow[],
  now: number,
  response: HeaderTarget,
): void {
  let tightest: RequestWindow | undefined;
  for (const window of windows) {
    if (tightest === undefined || window.remaining < tightest.remaining) tightest = window;
  }
  if (tightest === undefined) return;
  const { policy, remaining } = tightest;
  void response.header('ratelimit-policy', policy.header);
  void response.header('ratelimit', policy.allowance(remaining, tightest.msUntilMore(now)));
}
