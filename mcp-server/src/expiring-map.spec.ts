import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ExpiringMap } from './expiring-map.js';

const LIFETIME_MS = 10_000;

let map: ExpiringMap<number>;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  map = new ExpiringMap(LIFETIME_MS, 2);
});
afterEach(() => vi.useRealTimers());

describe('ExpiringMap', () => {
  it('returns a value until its lifetime has passed', () => {
    map.set('a', 1);
    vi.advanceTimersByTime(LIFETIME_MS - 1);
    expect(map.get('a')).toBe(1);
    vi.advanceTimersByTime(1);
    expect(map.get('a')).toBeUndefined();
  });

  it('starts the lifetime again when a key is set again', () => {
    map.set('a', 1);
    vi.advanceTimersByTime(LIFETIME_MS - 1);
    map.set('a', 2);
    vi.advanceTimersByTime(LIFETIME_MS - 1);
    expect(map.get('a')).toBe(2);
  });

  it('evicts the oldest entry when a new key exceeds the capacity', () => {
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    map.set('c', 4);
    expect(['a', 'b', 'c'].map((key) => map.get(key))).toEqual([3, undefined, 4]);
  });
});
