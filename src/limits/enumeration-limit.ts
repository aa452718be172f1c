import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../http/problem.js';
import { FinishedRequests } from '../requests/finished-requests.js';
import { DistinctCounter } from './distinct-counter.js';
import { QuotaPolicy } from './quota-policy.js';
import { SharedHours } from './shared-hours.js';

const WINDOW_SECONDS = 3600;
const USER_ROUTES = '/api/internal/users';

/** What a key has asked this process for in its hour. */
interface Hour {
  readonly keyId: string;
  /** Milliseconds of the process's clock. */
  readonly endsAt: number;
  readonly users: DistinctCounter;
  misses: number;
}

/**
 * How many different users a key may ask for or be told of in an hour, and how many that don't exist: so that whoever has
 * stolen a key can't walk through all users. An hour begins with the first request. Root keys are not limited: they could
 * issue themselves keys without end.
 */
@Injectable()
export class EnumerationLimit implements OnModuleInit {
  private readonly isOn: boolean;
  private readonly users: QuotaPolicy;
  private readonly misses: QuotaPolicy;
  private readonly hours = new Map<string, Hour>();
  private sweptAt = performance.now();

  constructor(
    private readonly requests: FinishedRequests,
    private readonly shared: SharedHours,
    config: ConfigService<Environment, true>,
  ) {
    this.isOn = config.get('LIMITS', { infer: true }) === 'on';
    const users = config.get('KEY_USERS_LIMIT', { infer: true });
    const misses = config.get('KEY_MISSES_LIMIT', { infer: true });
    this.users = new QuotaPolicy('users', users, WINDOW_SECONDS);
    this.misses = new QuotaPolicy('misses', misses, WINDOW_SECONDS);
  }

  onModuleInit(): void {
    this.requests.observe(({ keyId, method, route, status, outcome }, requests) => {
      if (outcome !== 'admitted' || !route?.startsWith(USER_ROUTES)) return;
      // An id or an email that is taken tells of a user, too.
      const isTaken = status === 409 && method !== 'DELETE';
      if (status !== 404 && !isTaken) return;
      const hour = this.hours.get(keyId ?? '');
      if (hour !== undefined) this.miss(hour, requests.length);
    });
  }

  /**
   * Counts a user that the caller asks for; answers with its id.
   * @throws ProblemException `ENUMERATION_LIMITED`
   */
  asked(caller: Principal, id: string): string {
    const hour = this.hourOf(caller);
    if (hour !== undefined) this.count(hour, [id]);
    return id;
  }

  /**
   * Refuses a caller that is over its limits already; answers with the same input.
   * @throws ProblemException `ENUMERATION_LIMITED`
   */
  written<Input>(caller: Principal, input: Input): Input {
    const hour = this.hourOf(caller);
    if (hour !== undefined) this.count(hour, []);
    return input;
  }

  /**
   * Counts the users that the caller is about to be told of, and as misses those that it asked for and don't exist, or a search
   * that has found nobody; answers with the same page.
   * @throws ProblemException `ENUMERATION_LIMITED`
   */
  found<Page extends { readonly users: readonly { readonly id: string }[] }>(
    caller: Principal,
    page: Page,
    asked: readonly string[] = [],
  ): Page {
    const hour = this.hourOf(caller);
    if (hour === undefined) return page;
    this.count(hour, [...asked, ...page.users.map(({ id }) => id)]);
    const missing = new Set(asked).size - page.users.length;
    this.miss(hour, Math.max(missing, page.users.length === 0 ? 1 : 0));
    return page;
  }

  private miss(hour: Hour, misses: number): void {
    if (misses === 0) return;
    hour.misses += misses;
    this.shared.add(hour.keyId, [], misses);
  }

  private count(hour: Hour, ids: readonly string[]): void {
    for (const id of ids) hour.users.add(id);
    this.shared.add(hour.keyId, ids, 0);
    this.check(hour.users.count, hour.misses, hour.endsAt);
    const shared = this.shared.find(hour.keyId);
    if (shared !== undefined) this.check(shared.users, shared.misses, shared.endsAt);
  }

  private check(users: number, misses: number, endsAt: number): void {
    if (users > this.users.quota) throw refusal(this.users, endsAt);
    if (misses >= this.misses.quota) throw refusal(this.misses, endsAt);
  }

  private hourOf({ keyId, isRoot }: Principal): Hour | undefined {
    if (!this.isOn || isRoot) return undefined;
    const now = performance.now();
    this.sweep(now);
    const known = this.hours.get(keyId);
    if (known !== undefined && now < known.endsAt) return known;
    const begun = {
      keyId,
      endsAt: now + WINDOW_SECONDS * 1000,
      users: new DistinctCounter(),
      misses: 0,
    };
    this.hours.set(keyId, begun);
    return begun;
  }

  /** Forgets keys that have been quiet, once an hour. */
  private sweep(now: number): void {
    if (now - this.sweptAt < WINDOW_SECONDS * 1000) return;
    this.sweptAt = now;
    for (const [keyId, { endsAt }] of this.hours) if (endsAt <= now) this.hours.delete(keyId);
  }
}

function refusal(policy: QuotaPolicy, endsAt: number): ProblemException {
  const headers = policy.refusalHeaders(endsAt - performance.now());
  return new ProblemException('ENUMERATION_LIMITED', {}, headers);
}
