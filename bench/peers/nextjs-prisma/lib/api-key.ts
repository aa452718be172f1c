import { createHash, timingSafeEqual } from 'node:crypto';

const expected = digest(process.env.INTERNAL_API_KEY ?? '');

export function isGoodKey(sent: string | null): boolean {
  return timingSafeEqual(digest(sent ?? ''), expected);
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
