import { createHash, timingSafeEqual } from 'node:crypto';

/** Returns a function that compares a received key with the expected key in constant time. */
export function apiKeyMatcher(key: string): (sent: string | string[] | undefined) => boolean {
  const expected = digest(key);
  return (sent) => timingSafeEqual(digest(typeof sent === 'string' ? sent : ''), expected);
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
