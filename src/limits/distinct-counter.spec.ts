import { describe, expect, it } from 'vitest';
import { DistinctCounter } from './distinct-counter.js';

describe('DistinctCounter', () => {
  it.each([257, 1000, 10_000, 100_000])(
    'counts %i strings with an error of at most 7 %, about five standard errors',
    (size) => {
      const counter = new DistinctCounter();
      for (let number = 0; number < size; number++) counter.add(`user-${number}`);
      expect(Math.abs(counter.count - size)).toBeLessThanOrEqual(Math.ceil(size * 0.07));
    },
  );

  it.each([1, 12, 256])('counts %i strings exactly', (size) => {
    const counter = new DistinctCounter();
    for (let number = 0; number < size; number++) counter.add(`user-${number}`);
    expect(counter.count).toBe(size);
  });

  it('counts a repeated string only once', () => {
    const counter = new DistinctCounter();
    for (let round = 0; round < 100; round++) counter.add('12345');
    expect(counter.count).toBe(1);
  });

  it('distinguishes strings that differ in one letter or in the order of letters', () => {
    const counter = new DistinctCounter();
    for (const text of ['ab', 'ba', 'a', 'b', 'aa', 'bb', '']) counter.add(text);
    expect(counter.count).toBe(7);
  });
});
