import { describe, expect, it } from 'vitest';
import { requestIdOf } from './request-id.js';

const idFor = (given?: string) => requestIdOf({ headers: { 'x-request-id': given } });
const NEW_ID = /^[0-9a-f]{16}-\d+$/;

describe('requestIdOf', () => {
  it.each(['a', '5f3d1c9e-6f0b-4d0e-9a51-0b8c2f7d4a10', 'A.b_c~d-9', 'x'.repeat(128)])(
    'accepts %s',
    (id) => {
      expect(idFor(id)).toBe(id);
    },
  );

  it.each([undefined, '', 'x'.repeat(129), 'a b', 'a\nb', 'a"b', 'a, b', 'é'])(
    'replaces %j with a new id',
    (id) => {
      expect(idFor(id)).toMatch(NEW_ID);
    },
  );

  it('returns a new id each time', () => {
    expect(new Set([idFor(), idFor(), idFor()]).size).toBe(3);
  });
});
