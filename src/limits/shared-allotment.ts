import { z } from 'zod';
import type { QuotaPolicy } from './quota-policy.js';
import type { SharedStore } from './shared-store.js';

// Share of the quota that a process reserves at a time: docs/decisions/0026.
const ALLOTMENT_SHARE = 1 / 400;
const SLOT_MS = 1000;

const replySchema = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number()]);

// For each API key, Redis stores a hash with one field per second (slot): the number of requests
// that all processes have reserved in that slot. An allotment can be used only until its slot ends.
const TAKE = `
  local slotMs, slots, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
  local requested, unusedSlot, unused = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local slot = math.floor(now / slotMs)
  local used, oldest = 0, slot
  local fields = redis.call('HGETALL', KEYS[1])
  for index = 1, #fields, 2 do
    local each, count = tonumber(fields[index]), tonumber(fields[index + 1])
    if each == unusedSlot and unused > 0 then
      count = redis.call('HINCRBY', KEYS[1], fields[index], -unused)
    end
    -- Future slots exist if the clock of Redis was set back.
    if each < slot - slots or each > slot or count <= 0 then
      redis.call('HDEL', KEYS[1], fields[index])
    else
      used = used + count
      oldest = math.min(oldest, each)
    end
  end
  local granted = math.max(0, math.min(requested, limit - used))
  if granted > 0 then
    redis.call('HINCRBY', KEYS[1], slot, granted)
    redis.call('PEXPIRE', KEYS[1], (slots + 1) * slotMs)
  end
  local endOfSlot = (slot + 1) * slotMs
  local endOfOldest = (oldest + slots + 1) * slotMs
  return {granted, math.max(0, limit - used - granted), slot, endOfSlot - now, endOfOldest - now}`;

/**
 * The requests of an API key that this process may admit without waiting for Redis, because it has
 * reserved them in advance. Redis counts in slots of 1 s by its own clock. In the current slot and
 * the preceding window together, Redis grants at most `quota` requests.
 */
export class SharedAllotment {
  private left = 0;
  private slot = 0;
  /** `endsAt`, `moreAt` and `refusedUntil` are in ms, on the scale of `performance.now()`. */
  private endsAt = 0;
  /** Requests that Redis could still grant to any process, in addition to this allotment. */
  private remainingBesides = 0;
  private moreAt = 0;
  private refusedUntil = 0;
  private refilling: Promise<void> | undefined;

  constructor(
    private readonly store: SharedStore,
    private readonly keyId: string,
  ) {}

  get remaining(): number {
    return this.left + this.remainingBesides;
  }

  msUntilMore(now: number): number {
    return this.moreAt - now;
  }

  /** Milliseconds until Redis may grant requests again. This process does not ask it earlier. */
  msUntilGrant(now: number): number {
    return Math.max(0, this.refusedUntil - now);
  }

  isUsedUp(now: number): boolean {
    return this.left === 0 || this.endsAt <= now;
  }

  take(): void {
    this.left -= 1;
  }

  forgetRefusal(): void {
    this.refusedUntil = 0;
  }

  /** Reserves a new allotment, which all waiting requests share. It can be too small for them. */
  refill(policy: QuotaPolicy): Promise<void> {
    this.refilling ??= this.request(policy).finally(() => (this.refilling = undefined));
    return this.refilling;
  }

  private async request({ quota, windowSeconds }: QuotaPolicy): Promise<void> {
    const unused = this.left;
    this.left = 0;
    // Measured before the call to Redis, so that the allotment cannot outlive its slot.
    const requestedAt = performance.now();
    const reply = await this.store.runScript(
      TAKE,
      [`latchkey:key-requests:${this.keyId}`],
      [
        SLOT_MS,
        (windowSeconds * 1000) / SLOT_MS,
        quota,
        Math.max(1, Math.floor(quota * ALLOTMENT_SHARE)),
        this.slot,
        unused,
      ],
      replySchema,
    );
    if (reply === undefined) return;
    const [granted, remaining, slot, msLeftOfSlot, msUntilMore] = reply;
    this.left = granted;
    this.remainingBesides = remaining;
    this.slot = slot;
    this.endsAt = requestedAt + msLeftOfSlot;
    this.moreAt = performance.now() + msUntilMore;
    if (granted === 0) this.refusedUntil = this.moreAt;
  }
}
