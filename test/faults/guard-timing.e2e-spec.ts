import { hash, randomInt, timingSafeEqual } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { generateApiKey } from '../../src/api-keys/api-key-format.js';
import { KeySync } from '../../src/api-keys/key-sync/key-sync.js';
import { IssuedKeyCache } from '../../src/api-keys/issued-key-cache.js';
import { KeyVerifier } from '../../src/api-keys/key-verifier.js';
import { NetworkSet } from '../../src/api-keys/network.js';
import { RootKeyStore } from '../../src/api-keys/root-key-store.js';
import { API_KEY, startApp, withKey } from '../support/app.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { issueKey } from '../support/keys.js';

const SAMPLES = 50_000;
/**
 * Half of the smallest difference that is measurable over a local network, according to Crosby,
 * Wallach and Riedi, "Opportunities and limits of remote timing attacks" (2009). The bound must be
 * above 20 ns, because a hit of a `Map` takes 10 to 20 ns more than a miss (docs/decisions/0035).
 */
const MAX_DIFFERENCE_NS = 50;
// Enough keys to average out differences between single keys, but few enough to fit into the
// processor cache.
const KEYS_PER_CLASS = 100;
const ADDRESS = '127.0.0.1';
const LIFETIME_MS = 5000;
// The maximum number of networks of a key. None of them contains ADDRESS.
const OTHER_NETWORKS = Array.from({ length: 100 }, (_, number) => `203.0.${number}.0/25`);

let database: TestDatabase;
let app: NestFastifyApplication;
let verifier: KeyVerifier;
const revoked: string[] = [];
const expired: string[] = [];
const admitted: string[] = [];
const limitedToLoopback: string[] = [];
const limitedToOtherNetworks: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  app = await startApp({ DATABASE_URL: database.url });
  verifier = app.get(KeyVerifier, { strict: false });
  const url = await app.getUrl();
  for (let made = 0; made < KEYS_PER_CLASS; made++) {
    const { id, secret } = await issueKey(url);
    await withKey(url).post(`/api/internal/api-keys/${id}/revoke`).expect(200);
    revoked.push(secret);
    const expiresAt = new Date(Date.now() + LIFETIME_MS);
    expired.push((await issueKey(url, { expiresAt })).secret);
    admitted.push((await issueKey(url)).secret);
    limitedToLoopback.push((await issueKey(url, { networks: ['127.0.0.0/8'] })).secret);
    limitedToOtherNetworks.push((await issueKey(url, { networks: OTHER_NETWORKS })).secret);
  }
  const newest = expired.at(-1) ?? '';
  await vi.waitFor(() => expect(verifier.verify(newest, ADDRESS).outcome).toBe('expired'), 20_000);
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

type Check = (presented: string) => unknown;

/** The difference between the mean durations of checks of two classes of keys, in nanoseconds. */
function difference(check: Check, first: readonly string[], second: readonly string[]): number {
  // The first measurement compiles the code.
  measure(check, first, second);
  const [a, b] = measure(check, first, second);
  return Math.abs(typical(a) - typical(b));
}

/** Durations of many checks of each class in random order, in nanoseconds. */
function measure(check: Check, first: readonly string[], second: readonly string[]) {
  const times: [number[], number[]] = [[], []];
  const classes = [first, second] as const;
  while (times[0].length < SAMPLES || times[1].length < SAMPLES) {
    const side = randomInt(2) === 0 ? 0 : 1;
    const keys = classes[side];
    // A new string, as in every request: V8 caches the hash of a string, which would speed up
    // repeated look-ups.
    const presented = Buffer.from(keys[randomInt(keys.length)] ?? '').toString('latin1');
    const startedAt = process.hrtime.bigint();
    check(presented);
    times[side].push(Number(process.hrtime.bigint() - startedAt));
  }
  return times;
}

/** The mean without the slowest tenth, which includes garbage collections and other processes. */
function typical(values: number[]): number {
  const quick = values.toSorted((a, b) => a - b).slice(0, values.length * 0.9);
  return quick.reduce((sum, value) => sum + value, 0) / quick.length;
}

const unknown = Array.from({ length: KEYS_PER_CLASS }, () => generateApiKey('test'));

describe('the duration of a key check', () => {
  // A measurement blocks the event loop, so the key sync must catch up before the next test.
  afterEach(async () => {
    await vi.waitFor(
      () => expect(app.get(KeySync, { strict: false }).lagMs).toBeLessThan(1000),
      10_000,
    );
  });

  it.each([
    ['revoked', revoked],
    ['expired', expired],
    ['foreign-network', limitedToOtherNetworks],
  ] as const)('is the same for an unknown key and a key that is refused as %s', (outcome, keys) => {
    const check: Check = (presented) => verifier.verify(presented, ADDRESS);
    expect(difference(check, unknown, keys)).toBeLessThan(MAX_DIFFERENCE_NS);
    expect(verifier.verify(keys[0] ?? '', ADDRESS).outcome).toBe(outcome);
    expect(verifier.verify(unknown[0] ?? '', ADDRESS).outcome).toBe('unknown');
  });

  it('is the same for valid keys with and without networks', () => {
    const check: Check = (presented) => verifier.verify(presented, ADDRESS);
    expect(difference(check, admitted, limitedToLoopback)).toBeLessThan(MAX_DIFFERENCE_NS);
    expect(verifier.verify(admitted[0] ?? '', ADDRESS).outcome).toBe('admitted');
    expect(verifier.verify(limitedToLoopback[0] ?? '', ADDRESS).outcome).toBe('admitted');
  });

  it('differs if the check compares digests only for known keys (control)', () => {
    const digest = (key: string) => hash('sha256', key, 'buffer');
    const digests = new Map(revoked.map((key) => [digest(key).toString('hex'), digest(key)]));
    const check: Check = (presented) => {
      const found = digests.get(digest(presented).toString('hex'));
      return found !== undefined && timingSafeEqual(found, digest(presented));
    };
    expect(difference(check, unknown, revoked)).toBeGreaterThan(MAX_DIFFERENCE_NS);
  });

  // Many variants of each wrong key, because the duration for one key depends on its memory layout.
  const letters = Array.from('ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ');
  const wrongAtStart = letters.map((letter) => letter + API_KEY.slice(1));
  const wrongAtEnd = letters.map((letter) => API_KEY.slice(0, -1) + letter);

  it('does not depend on the position of the first wrong character of a root key', () => {
    const check: Check = (presented) => verifier.verify(presented, ADDRESS);
    expect(difference(check, wrongAtStart, wrongAtEnd)).toBeLessThan(MAX_DIFFERENCE_NS);
  });

  it('depends on the position of the first wrong character if the check stops there (control)', () => {
    const check: Check = (presented) =>
      Array.from(presented).every((letter, index) => letter === API_KEY[index]);
    expect(difference(check, wrongAtStart, wrongAtEnd)).toBeGreaterThan(MAX_DIFFERENCE_NS);
  });
});

describe('the work of a key check', () => {
  it.each([
    ['missing', () => undefined],
    ['malformed', () => `${unknown[0]?.slice(0, -1)}_`],
    ['unknown', () => unknown[0]],
    ['revoked', () => revoked[0]],
    ['a wrong root key', () => `${API_KEY}0`],
    ['limited to other networks', () => limitedToOtherNetworks[0]],
    ['valid', () => admitted[0]],
    ['the root key', () => API_KEY],
  ])(
    'is one look-up, one network check and one comparison for a key that is %s',
    async (_case, key) => {
      const lookUp = vi.spyOn(IssuedKeyCache.prototype, 'find');
      const networkCheck = vi.spyOn(NetworkSet.prototype, 'contains');
      const comparison = vi.spyOn(RootKeyStore.prototype, 'match');
      const request = withKey(await app.getUrl(), key() ?? '').get('/api/internal/users/1');
      await (key() === undefined ? request.unset('X-API-Key') : request);
      for (const work of [lookUp, networkCheck, comparison]) {
        expect(work).toHaveBeenCalledTimes(1);
        work.mockRestore();
      }
    },
  );
});
