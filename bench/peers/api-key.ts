import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * Compares a received key with the expected one in constant time, like a handwritten guard.
 */
export function apiKeyMatcher(key: string): (sent: string | string[] | undefined) => boolean {
  const expected = digest(key);
  return (sent) => timingSafeEqual(digest(typeof sent === 'string' ? sent : ''), expected);
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
