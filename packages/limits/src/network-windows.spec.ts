import { describe, expect, it } from 'vitest';
import { NetworkWindows } from './network-windows.js';

const MAX_NETWORKS = 10_000;

function addEvent(windows: NetworkWindows, network: string, now: number): number {
  const window = windows.windowOf(network, now);
  window.add(now);
  return window.count(now);
}

describe('NetworkWindows', () => {
  it('counts the events of each network separately', () => {
    const windows = new NetworkWindows(60_000);
    const counts = [0, 1].map((now) => addEvent(windows, 'a', now));
    expect([...counts, addEvent(windows, 'b', 59_000)]).toEqual([1, 2, 1]);
    expect(addEvent(windows, 'a', 60_001)).toBe(1);
    expect(addEvent(windows, 'b', 60_001)).toBe(2);
    expect(windows.size).toBe(2);
  });

  it('deletes networks that have no event in the window', () => {
    const windows = new NetworkWindows(1000);
    for (let network = 0; network < 100; network++) addEvent(windows, `n${network}`, network);
    addEvent(windows, 'last', 5000);
    expect(windows.size).toBe(1);
  });

  it('keeps at most 10,000 networks, and evicts the least recently active network', () => {
    const windows = new NetworkWindows(60_000);
    for (let round = 1; round <= 4; round++) {
      expect(addEvent(windows, 'steady', 0)).toBe(round);
      for (let other = 0; other < MAX_NETWORKS / 2; other++)
        addEvent(windows, `${round}.${other}`, 0);
    }
    expect(windows.size).toBeLessThanOrEqual(MAX_NETWORKS);
  });

  it('handles a million networks within seconds', () => {
    const windows = new NetworkWindows(60_000);
    for (let network = 0; network < 1_000_000; network++)
      addEvent(windows, `n${network}`, network / 1000);
    expect(addEvent(windows, 'n999999', 1000)).toBe(2);
    expect(addEvent(windows, 'n0', 1000)).toBe(1);
  });
});
