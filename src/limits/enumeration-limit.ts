import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';
import { HOUR_MS } from '../time.js';
import { DistinctCounter } from './distinct-counter.js';
import { QuotaPolicy } from './quota-policy.js';
import { SharedHours } from './shared-hours.js';

/** The distinct users and misses of a key in its current hour, as counted by this process. */
interface Hour {
  readonly keyId: string;
  /** In ms, on the scale of `performance.now()`. */
  readonly endsAt: number;
  readonly users: DistinctCounter;
  readonly misses: DistinctCounter;
}

/** Values that only one user can have. A failed write reveals whether a value is taken. */
export interface UniqueValues {
  readonly id?: string | undefined;
  readonly email?: string | undefined;
}

/**
 * Limits how many distinct users a key requests or receives per hour. Also limits the key's misses:
 * distinct ids, emails and phone numbers that no user has, or that a write cannot use because
 * another user has them. A request also counts against the limits of the key's issuers. A new hour
 * begins with the first request after the key's previous hour. Root keys are exempt, even as
 * issuers: a limit would not stop them, because they can issue new keys. Beyond a limit, every
 * method throws a ProblemException `ENUMERATION_LIMITED`.
 */
@Injectable()
export class EnumerationLimit {
  private readonly isOn: boolean;
  private readonly users: QuotaPolicy;
  private readonly misses: QuotaPolicy;
  private readonly hours = new Map<string, Hour>();
  private sweptAt = performance.now();

  constructor(
    private readonly shared: SharedHours,
    config: ConfigService<Environment, true>,
  ) {
    this.isOn = config.get('LIMITS', { infer: true }) === 'on';
    const users = config.get('KEY_USERS_LIMIT', { infer: true });
    const misses = config.get('KEY_MISSES_LIMIT', { infer: true });
    this.users = new QuotaPolicy('users', users, HOUR_MS / 1000);
    this.misses = new QuotaPolicy('misses', misses, HOUR_MS / 1000);
  }

  /** Counts the users that a request names, before they are read. */
  recordLookup(caller: Principal, ids: readonly string[]): void {
    this.recordUsers(this.hoursOf(caller), ids);
  }

  /**
   * Counts the users in a response and the misses of its request, before the response is sent.
   * After the last permitted miss, requests for existing users are refused, too, so that a refusal
   * does not reveal whether a user exists.
   */
  recordResults(caller: Principal, shown: readonly string[], missing: readonly string[]): void {
    const hours = this.hoursOf(caller);
    this.recordUsers(hours, shown);
    this.recordMisses(hours, missing);
  }

  /** Runs a read of one user. Counts the user. Counts a miss if no user has the id. */
  async runLookup<Result>(
    caller: Principal,
    id: string,
    read: () => Promise<Result>,
  ): Promise<Result> {
    const hours = this.hoursOf(caller);
    this.recordUsers(hours, [id]);
    const result = await this.recordingMisses(hours, { id }, read);
    this.refuseIfUsedUp(hours);
    return result;
  }

  /**
   * Runs a write. Counts the `known` users. Counts a miss if a value is taken or no user has the
   * id. Does not refuse a write that is already committed.
   * @param known ids of the users that the write changes or deletes
   * @param values id and email in the write
   */
  async runWrite<Result>(
    caller: Principal,
    known: readonly string[],
    values: UniqueValues,
    write: () => Promise<Result>,
  ): Promise<Result> {
    const hours = this.hoursOf(caller);
    this.recordUsers(hours, known);
    return this.recordingMisses(hours, values, write);
  }

  /** Counts a miss if the operation fails because a value is taken or no user has the id. */
  private async recordingMisses<Result>(
    hours: readonly Hour[],
    values: UniqueValues,
    operation: () => Promise<Result>,
  ): Promise<Result> {
    try {
      return await operation();
    } catch (error) {
      const missed = missedValue(error, values);
      if (missed !== undefined) this.recordMisses(hours, [missed]);
      throw error;
    }
  }

  private recordUsers(hours: readonly Hour[], ids: readonly string[]): void {
    this.refuseIfUsedUp(hours);
    for (const { keyId, users } of hours) {
      for (const id of ids) users.add(id);
      this.shared.add(keyId, ids, []);
    }
    this.refuseIfUsedUp(hours);
  }

  private recordMisses(hours: readonly Hour[], missing: readonly string[]): void {
    if (missing.length === 0) return;
    this.refuseIfUsedUp(hours);
    for (const { keyId, misses } of hours) {
      for (const value of missing) misses.add(value);
      this.shared.add(keyId, [], missing);
    }
    this.refuseBeyond(hours, this.misses.quota);
  }

  private refuseIfUsedUp(hours: readonly Hour[]): void {
    this.refuseBeyond(hours, this.misses.quota - 1);
  }

  private refuseBeyond(hours: readonly Hour[], maxMisses: number): void {
    for (const { keyId, users, misses, endsAt } of hours) {
      this.check(users.count, misses.count, maxMisses, endsAt);
      const shared = this.shared.find(keyId);
      if (shared !== undefined) this.check(shared.users, shared.misses, maxMisses, shared.endsAt);
    }
  }

  private check(users: number, misses: number, maxMisses: number, endsAt: number): void {
    if (users > this.users.quota) throw refusal(this.users, endsAt);
    if (misses > maxMisses) throw refusal(this.misses, endsAt);
  }

  private hoursOf({ budgets }: Principal): readonly Hour[] {
    if (!this.isOn || budgets.length === 0) return [];
    const now = performance.now();
    this.sweep(now);
    return budgets.map(({ keyId }) => this.hourOf(keyId, now));
  }

  private hourOf(keyId: string, now: number): Hour {
    const known = this.hours.get(keyId);
    if (known !== undefined && now < known.endsAt) return known;
    const begun = {
      keyId,
      endsAt: now + HOUR_MS,
      users: new DistinctCounter(),
      misses: new DistinctCounter(),
    };
    this.hours.set(keyId, begun);
    return begun;
  }

  /** Deletes ended hours, once per hour. */
  private sweep(now: number): void {
    if (now - this.sweptAt < HOUR_MS) return;
    this.sweptAt = now;
    for (const [keyId, { endsAt }] of this.hours) if (endsAt <= now) this.hours.delete(keyId);
  }
}

function missedValue(error: unknown, { id, email }: UniqueValues): string | undefined {
  if (!(error instanceof ProblemException)) return undefined;
  if (error.code === 'USER_NOT_FOUND' || error.code === 'USER_ID_TAKEN') return id;
  return error.code === 'EMAIL_TAKEN' ? email : undefined;
}

function refusal(policy: QuotaPolicy, endsAt: number): ProblemException {
  const headers = policy.refusalHeaders(endsAt - performance.now());
  return new ProblemException('ENUMERATION_LIMITED', {}, headers);
}
