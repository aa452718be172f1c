import { describe, expect, it } from 'vitest';
import { PendingHeartbeats } from './pending-heartbeats.js';

describe('a heartbeat', () => {
  it('is accepted once, with the time when it was sent', () => {
    const heartbeats = new PendingHeartbeats();
    const before = performance.now();
    const nonce = heartbeats.send();
    const after = performance.now();
    const sentAt = heartbeats.receive(nonce);
    expect(sentAt).toBeGreaterThanOrEqual(before);
    expect(sentAt).toBeLessThanOrEqual(after);
    expect(heartbeats.receive(nonce)).toBeUndefined();
  });

  it.each(['Infinity', '1e999', '', '0'])('is rejected if it was never sent: %j', (nonce) => {
    const heartbeats = new PendingHeartbeats();
    heartbeats.send();
    expect(heartbeats.receive(nonce)).toBeUndefined();
  });

  it('is forgotten when 32 later heartbeats have not returned either', () => {
    const heartbeats = new PendingHeartbeats();
    const [oldest = '', ...later] = Array.from({ length: 33 }, () => heartbeats.send());
    expect(heartbeats.receive(oldest)).toBeUndefined();
    for (const nonce of later) expect(heartbeats.receive(nonce)).toBeDefined();
  });
});
