import { describe, expect, it } from 'vitest';
import { PendingChanges } from './pending-changes.js';

describe('pending changes', () => {
  it('are read oldest first, and once if notified repeatedly', () => {
    const changes = new PendingChanges();
    for (const id of ['a', 'b', 'a']) changes.add(id);
    expect(changes.next()).toEqual(['a', 'b']);
    expect(changes.next()).toEqual([]);
  });

  it('are read in batches of a thousand', () => {
    const changes = new PendingChanges();
    for (let id = 0; id < 1500; id++) changes.add(String(id));
    expect(changes.next()).toHaveLength(1000);
    expect(changes.next()).toHaveLength(500);
  });
});

describe('a watermark', () => {
  it('is reached only when all keys before it have been read', () => {
    const changes = new PendingChanges();
    changes.add('a');
    changes.addWatermark(1);
    changes.add('b');
    changes.addWatermark(2);
    expect(changes.watermark()).toBe(-Infinity);
    changes.next();
    expect(changes.watermark()).toBe(-Infinity);
    changes.acknowledge(1);
    expect(changes.watermark()).toBe(1);
    changes.acknowledge(1);
    expect(changes.watermark()).toBe(2);
  });

  it('is reached at once when nothing is pending', () => {
    const changes = new PendingChanges();
    changes.addWatermark(7);
    expect(changes.watermark()).toBe(7);
  });

  it('waits for a key that changed again while it was read', () => {
    const changes = new PendingChanges();
    changes.add('a');
    changes.next();
    changes.add('a');
    changes.addWatermark(1);
    changes.acknowledge(1);
    expect(changes.watermark()).toBe(-Infinity);
    changes.acknowledge(changes.next().length);
    expect(changes.watermark()).toBe(1);
  });
});
