import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { SharedStore } from './shared-store.js';

const WINDOW_SECONDS = 3600;
const FLUSH_INTERVAL_MS = 100;
const MAX_VALUES_A_FLUSH = 1000;

/** A key's hour, counted by all processes. */
export interface SharedHour {
  readonly users: number;
  readonly misses: number;
  /** Milliseconds of the process's clock. */
  readonly endsAt: number;
}

interface Unsent {
  readonly ids: Set<string>;
  readonly misses: Set<string>;
}

const answerSchema = z.tuple([z.number(), z.number(), z.number()]);

// PFADD without values creates the counter, so that both counters share one hour.
const SCRIPT = `
  local ids = tonumber(ARGV[2])
  redis.call('PFADD', KEYS[1], unpack(ARGV, 3, 2 + ids))
  redis.call('PFADD', KEYS[2], unpack(ARGV, 3 + ids))
  if redis.call('PTTL', KEYS[2]) == -1 then redis.call('EXPIRE', KEYS[2], ARGV[1]) end
  local left = redis.call('PTTL', KEYS[2])
  if redis.call('PTTL', KEYS[1]) == -1 then redis.call('PEXPIRE', KEYS[1], left) end
  return {redis.call('PFCOUNT', KEYS[1]), redis.call('PFCOUNT', KEYS[2]), left}`;

/**
 * Counts users and misses per key in Redis for all processes. No request waits for Redis: counts
 * are sent ten times per second, and the reply has the totals.
 */
@Injectable()
export class SharedHours implements OnModuleInit, OnApplicationShutdown {
  private readonly known = new Map<string, SharedHour>();
  private unsent = new Map<string, Unsent>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly store: SharedStore) {}

  onModuleInit(): void {
    if (this.store.redis === undefined) return;
    this.timer = setInterval(() => void this.flush(), FLUSH_INTERVAL_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  find(keyId: string): SharedHour | undefined {
    const hour = this.known.get(keyId);
    if (hour === undefined || performance.now() < hour.endsAt) return hour;
    this.known.delete(keyId);
    return undefined;
  }

  add(keyId: string, ids: readonly string[], misses: readonly string[]): void {
    if (!this.store.isUp) return;
    const unsent = this.unsent.get(keyId) ?? { ids: new Set(), misses: new Set() };
    this.unsent.set(keyId, unsent);
    for (const id of ids) unsent.ids.add(id);
    for (const value of misses) unsent.misses.add(value);
    if (unsent.ids.size + unsent.misses.size >= MAX_VALUES_A_FLUSH) void this.flush();
  }

  private async flush(): Promise<void> {
    const { unsent } = this;
    this.unsent = new Map();
    await Promise.all([...unsent].map(async ([keyId, each]) => this.send(keyId, each)));
  }

  private async send(keyId: string, { ids, misses }: Unsent): Promise<void> {
    // The hash tag puts both keys into one slot of a cluster.
    const names = ['users', 'missing'].map((name) => `latchkey:key-enumeration:{${keyId}}:${name}`);
    try {
      const answer = await this.store.redis?.eval(
        SCRIPT,
        2,
        ...names,
        WINDOW_SECONDS,
        ids.size,
        ...ids,
        ...misses,
      );
      this.store.reportSuccess();
      const [users, allMisses, msUntilEnd] = answerSchema.parse(answer);
      this.known.set(keyId, { users, misses: allMisses, endsAt: performance.now() + msUntilEnd });
    } catch (error) {
      // The process still has its own count.
      this.store.reportFailure(error);
    }
  }
}
