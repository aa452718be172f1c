import * as crypto from 'node:crypto';
import { ConfigService } from '@nestjs/config';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseEnvironment } from '../config/environment.js';
import { RootKeyStore } from './root-key-store.js';
import { digestKey } from '../config/root-key.js';

vi.mock('node:crypto', { spy: true });

const CURRENT = 'f1b7c2d94e8a4a0f9c53d1e6b8072a64';
const PREVIOUS = '0c8e3b5d7f914a26b1d0e9f8a7c65432';

function createStore(): RootKeyStore {
  const environment = parseEnvironment({
    NODE_ENV: 'test',
    DATABASE_URL: 'postgresql://nobody@127.0.0.1/none',
    INTERNAL_API_KEY: CURRENT,
    INTERNAL_API_KEY_PREVIOUS: PREVIOUS,
  });
  return new RootKeyStore(new ConfigService(environment));
}

describe('RootKeyStore.match', () => {
  afterEach(() => vi.mocked(crypto.timingSafeEqual).mockClear());

  it.each([
    ['the current key', CURRENT, 0],
    ['the previous key', PREVIOUS, 1],
    ['an unknown key', 'unknown', undefined],
  ] as const)('compares %s with every root key in constant time', (_case, presented, index) => {
    const store = createStore();
    const match = store.match(digestKey(presented));
    expect(match).toBe(index === undefined ? undefined : store.all[index]);
    const compared = vi.mocked(crypto.timingSafeEqual).mock.calls.map(([, digest]) => digest);
    expect(compared).toEqual(store.all.map(({ digest }) => digest));
  });
});
