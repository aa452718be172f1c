import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * Compares a key that was sent with the right one in constant time, as a hand-written guard does.
 */
export function apiKeyMatcher(key: string): (sent: string | string[] | undefined) => boolean {
  const expected = digest(key);
  return (sent) => timingSafeEqual(digest(typeof sent === 'string' ? sent : ''), expected);
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
