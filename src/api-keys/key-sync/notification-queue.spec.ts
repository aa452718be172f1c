import { describe, expect, it } from 'vitest';
import { NotificationQueue } from './notification-queue.js';

function createQueue(...ids: string[]): NotificationQueue {
  const queue = new NotificationQueue();
  for (const id of ids) queue.addChange(id);
  return queue;
}

describe('changed keys', () => {
  it('are returned oldest first and without duplicates', () => {
    const queue = createQueue('a', 'b', 'a');
    expect(queue.take().ids).toEqual(['a', 'b']);
    expect(queue.isEmpty).toBe(true);
    expect(queue.take().ids).toEqual([]);
  });

  it('are returned in batches of at most 1000', () => {
    const queue = createQueue(...Array.from({ length: 1500 }, (_, id) => String(id)));
    expect(queue.take().ids).toHaveLength(1000);
    expect(queue.take().ids).toHaveLength(500);
  });
});

describe('a heartbeat', () => {
  it('is returned together with the last change that arrived before it', () => {
    const queue = createQueue(...Array.from({ length: 1500 }, (_, id) => String(id)));
    queue.addHeartbeat(queue.createHeartbeat());
    expect(queue.take().heartbeatSentAt).toBeUndefined();
    expect(queue.take().heartbeatSentAt).toBeDefined();
  });

  it('is returned immediately when no key has changed', () => {
    const queue = createQueue();
    queue.addHeartbeat(queue.createHeartbeat());
    expect(queue.take()).toEqual({ ids: [], heartbeatSentAt: expect.any(Number) });
  });

  it('is returned together with a key that changed again after an earlier batch', () => {
    const queue = createQueue('a');
    expect(queue.take().ids).toEqual(['a']);
    queue.addChange('a');
    queue.addHeartbeat(queue.createHeartbeat());
    expect(queue.take()).toEqual({ ids: ['a'], heartbeatSentAt: expect.any(Number) });
  });

  it('is accepted only once, and returned as the time when it was sent', () => {
    const queue = createQueue();
    const before = performance.now();
    const nonce = queue.createHeartbeat();
    const after = performance.now();
    queue.addHeartbeat(nonce);
    const { heartbeatSentAt } = queue.take();
    expect(heartbeatSentAt).toBeGreaterThanOrEqual(before);
    expect(heartbeatSentAt).toBeLessThanOrEqual(after);
    queue.addHeartbeat(nonce);
    expect(queue.isEmpty).toBe(true);
  });

  it('is returned only if it is the latest in its batch', () => {
    const queue = createQueue();
    queue.addHeartbeat(queue.createHeartbeat());
    const later = performance.now();
    queue.addHeartbeat(queue.createHeartbeat());
    expect(queue.take().heartbeatSentAt).toBeGreaterThanOrEqual(later);
  });

  it.each(['Infinity', '1e999', '', '0'])('is rejected if it was never sent: %j', (nonce) => {
    const queue = createQueue();
    queue.createHeartbeat();
    queue.addHeartbeat(nonce);
    expect(queue.isEmpty).toBe(true);
  });

  it('is rejected if 32 later heartbeats are in flight when it arrives', () => {
    const queue = createQueue();
    const [oldest = '', ...later] = Array.from({ length: 33 }, () => queue.createHeartbeat());
    queue.addHeartbeat(oldest);
    expect(queue.isEmpty).toBe(true);
    for (const nonce of later) {
      queue.addHeartbeat(nonce);
      expect(queue.take().heartbeatSentAt).toBeDefined();
    }
  });
});
