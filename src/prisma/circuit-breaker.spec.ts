import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CircuitBreaker } from './circuit-breaker.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

function opened(): CircuitBreaker {
  const circuit = new CircuitBreaker();
  for (let failures = 0; failures < 5; failures++) circuit.fail();
  return circuit;
}

describe('CircuitBreaker', () => {
  it('allows all calls until five in a row have failed', () => {
    const circuit = new CircuitBreaker();
    for (let failures = 0; failures < 4; failures++) circuit.fail();
    expect(circuit.allows()).toBe(true);
    circuit.fail();
    expect(circuit.allows()).toBe(false);
  });

  it('counts only consecutive failures', () => {
    const circuit = new CircuitBreaker();
    for (let failures = 0; failures < 20; failures++) {
      circuit.fail();
      if (failures % 4 === 3) circuit.succeed();
    }
    expect(circuit.allows()).toBe(true);
  });

  it('allows one trial at a time after 100 ms', () => {
    const circuit = opened();
    vi.advanceTimersByTime(99);
    expect(circuit.allows()).toBe(false);
    vi.advanceTimersByTime(1);
    expect(circuit.allows()).toBe(true);
    expect(circuit.allows()).toBe(false);
  });

  it('stays open after a failed trial, and allows the next trial 100 ms later', () => {
    const circuit = opened();
    vi.advanceTimersByTime(100);
    circuit.allows();
    circuit.fail();
    expect(circuit.allows()).toBe(false);
    vi.advanceTimersByTime(100);
    expect(circuit.allows()).toBe(true);
  });

  it('closes at the first successful call, even if the call began before the circuit opened', () => {
    const circuit = opened();
    circuit.succeed();
    expect([circuit.allows(), circuit.allows()]).toEqual([true, true]);
  });
});
