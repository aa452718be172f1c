import { ConfigService } from '@nestjs/config';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { WriteSlots } from './write-slots.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Starts writes on a pool of this many connections. Each write runs until the test ends it. */
function createWrites(connections: number) {
  const config = new ConfigService<Environment, true>({ DATABASE_POOL_MAX: connections });
  const slots = new WriteSlots(config);
  const running: { name: string; end: () => void }[] = [];
  const begin = (keyId: string, userId?: string) => {
    const caller: Principal = {
      keyId,
      isRoot: false,
      scopes: [],
      readFields: undefined,
      writeFields: undefined,
      budgets: [],
    };
    return slots.run(caller, userId, () => {
      const name = `${keyId} ${userId}`;
      return new Promise<void>((resolve) => running.push({ name, end: resolve }));
    });
  };
  const beginMany = (count: number, keyId: string, userId = (number: number) => `u${number}`) => {
    const started = Array.from({ length: count }, (_, number) => begin(keyId, userId(number)));
    return Promise.allSettled(started);
  };
  const endFirst = async () => {
    running.shift()?.end();
    await vi.advanceTimersByTimeAsync(0);
  };
  return { slots, begin, beginMany, endFirst, names: () => running.map(({ name }) => name) };
}

describe('writes that change users', () => {
  it('use at most a third of the connections per key, and two thirds in total', async () => {
    const { slots, beginMany, names } = createWrites(10);
    void beginMany(20, 'one');
    expect(names()).toHaveLength(3);
    void beginMany(20, 'other');
    void beginMany(20, 'third');
    expect(names()).toHaveLength(6);
    expect(slots.waiting).toBe(54);
  });

  it('use at most one connection per user', async () => {
    const { beginMany, begin, endFirst, names } = createWrites(10);
    void beginMany(5, 'one', () => 'same');
    void begin('other', 'same');
    void begin('other', 'another');
    expect(names()).toEqual(['one same', 'other another']);
    await endFirst();
    expect(names()).toEqual(['other another', 'one same']);
  });

  it('can use the only connection of a pool', async () => {
    const { beginMany, names } = createWrites(1);
    void beginMany(5, 'one');
    expect(names()).toHaveLength(1);
  });

  it('start in order of arrival for each key, without delaying other keys', async () => {
    const { begin, beginMany, endFirst, names } = createWrites(3);
    void beginMany(3, 'one');
    void begin('other', 'x');
    expect(names()).toEqual(['one u0', 'other x']);
    await endFirst();
    expect(names()).toEqual(['other x', 'one u1']);
  });

  it('start together when the write that blocks them ends', async () => {
    const { begin, beginMany, endFirst, names } = createWrites(10);
    void begin('one', 'same');
    void beginMany(3, 'one', (number) => `one${number}`);
    void begin('other', 'same');
    await endFirst();
    expect(names()).toEqual(['one one0', 'one one1', 'one one2', 'other same']);
  });

  it('are refused after a wait of 700 ms, or if 128 writes of the key already wait', async () => {
    const { slots, beginMany, begin } = createWrites(10);
    const writes = beginMany(3 + 128, 'one');
    await expect(begin('one')).rejects.toMatchObject({ code: 'CONCURRENCY_LIMITED' });
    await vi.advanceTimersByTimeAsync(699);
    expect(slots.waiting).toBe(128);
    await vi.advanceTimersByTimeAsync(1);
    expect(slots.waiting).toBe(0);
    void writes;
  });

  it('free their slot when they fail', async () => {
    const { slots } = createWrites(1);
    const caller: Principal = {
      keyId: 'one',
      isRoot: false,
      scopes: [],
      readFields: undefined,
      writeFields: undefined,
      budgets: [],
    };
    const fail = async () => {
      throw new Error('broken');
    };
    await expect(slots.run(caller, 'u', fail)).rejects.toThrow('broken');
    await expect(slots.run(caller, 'u', async () => 'written')).resolves.toBe('written');
  });
});
