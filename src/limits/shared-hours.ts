import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { HOUR_MS } from '../time.js';
import { SharedStore } from './shared-store.js';

const FLUSH_DELAY_MS = 100;
const MAX_VALUES_PER_FLUSH = 1000;

/** The distinct users and misses of a key in its current hour, as counted by all processes. */
interface SharedHour {
  readonly users: number;
  readonly misses: number;
  /** In ms, on the scale of `performance.now()`. */
  readonly endsAt: number;
}

interface Unsent {
  readonly ids: Set<string>;
  readonly misses: Set<string>;
}

const replySchema = z.tuple([z.number(), z.number(), z.number()]);

// PFADD creates a counter even without values. Both counters therefore exist and expire together.
const ADD = `
  local ids = tonumber(ARGV[2])
  redis.call('PFADD', KEYS[1], unpack(ARGV, 3, 2 + ids))
  redis.call('PFADD', KEYS[2], unpack(ARGV, 3 + ids))
  if redis.call('PTTL', KEYS[2]) == -1 then redis.call('PEXPIRE', KEYS[2], ARGV[1]) end
  local left = redis.call('PTTL', KEYS[2])
  if redis.call('PTTL', KEYS[1]) == -1 then redis.call('PEXPIRE', KEYS[1], left) end
  return {redis.call('PFCOUNT', KEYS[1]), redis.call('PFCOUNT', KEYS[2]), left}`;

/**
 * Counts users and misses per key in Redis for all processes. No request waits for Redis: values
 * are sent up to 100 ms later, and the reply contains the totals of all processes.
 */
@Injectable()
export class SharedHours {
  private readonly known = new Map<string, SharedHour>();
  private unsent = new Map<string, Unsent>();

  constructor(private readonly store: SharedStore) {}

  find(keyId: string): SharedHour | undefined {
    const hour = this.known.get(keyId);
    if (hour === undefined || performance.now() < hour.endsAt) return hour;
    this.known.delete(keyId);
    return undefined;
  }

  add(keyId: string, ids: readonly string[], misses: readonly string[]): void {
    if (!this.store.isUp) return;
    if (this.unsent.size === 0) setTimeout(() => this.flush(), FLUSH_DELAY_MS).unref();
    const unsent = this.unsent.get(keyId) ?? { ids: new Set(), misses: new Set() };
    this.unsent.set(keyId, unsent);
    for (const id of ids) unsent.ids.add(id);
    for (const value of misses) unsent.misses.add(value);
    if (unsent.ids.size + unsent.misses.size >= MAX_VALUES_PER_FLUSH) this.flush();
  }

  private flush(): void {
    const { unsent } = this;
    this.unsent = new Map();
    for (const [keyId, values] of unsent) void this.send(keyId, values);
  }

  private async send(keyId: string, { ids, misses }: Unsent): Promise<void> {
    // The hash tag in braces puts both counters into the same slot of a Redis Cluster.
    const keys = ['users', 'missing'].map((name) => `latchkey:key-enumeration:{${keyId}}:${name}`);
    const values = [HOUR_MS, ids.size, ...ids, ...misses];
    const reply = await this.store.runScript(ADD, keys, values, replySchema);
    if (reply === undefined) return;
    const [users, allMisses, msUntilEnd] = reply;
    this.known.set(keyId, { users, misses: allMisses, endsAt: performance.now() + msUntilEnd });
  }
}
