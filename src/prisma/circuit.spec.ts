import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Circuit } from './circuit.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

function opened(): Circuit {
  const circuit = new Circuit();
  for (let failures = 0; failures < 5; failures++) circuit.fail();
  return circuit;
}

describe('Circuit', () => {
  it('admits all until five in a row have failed', () => {
    const circuit = new Circuit();
    for (let failures = 0; failures < 4; failures++) circuit.fail();
    expect(circuit.admits()).toBe(true);
    circuit.fail();
    expect(circuit.admits()).toBe(false);
  });

  it('counts only failures in a row', () => {
    const circuit = new Circuit();
    for (let failures = 0; failures < 20; failures++) {
      circuit.fail();
      if (failures % 4 === 3) circuit.succeed();
    }
    expect(circuit.admits()).toBe(true);
  });

  it('lets one at a time try after 100 ms', () => {
    const circuit = opened();
    vi.advanceTimersByTime(99);
    expect(circuit.admits()).toBe(false);
    vi.advanceTimersByTime(1);
    expect(circuit.admits()).toBe(true);
    expect(circuit.admits()).toBe(false);
  });

  it('stays open after a trial that failed, until the next', () => {
    const circuit = opened();
    vi.advanceTimersByTime(100);
    circuit.admits();
    circuit.fail();
    expect(circuit.admits()).toBe(false);
    vi.advanceTimersByTime(100);
    expect(circuit.admits()).toBe(true);
  });

  it('closes with the first success, also one of before it opened', () => {
    const circuit = opened();
    circuit.succeed();
    expect([circuit.admits(), circuit.admits()]).toEqual([true, true]);
  });
});
