import { hash, randomInt } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { generateApiKey } from '../../src/api-keys/api-key-format.js';
import { DigestTable } from '../../src/api-keys/digest-table.js';
import { KeyDigest } from '../../src/api-keys/key-digest.js';
import { KeyVerifier } from '../../src/api-keys/key-verifier.js';
import { RootKeyRing } from '../../src/api-keys/root-key-ring.js';
import { API_KEY, startApp, withKey } from '../support/app.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { issueKey } from '../support/keys.js';

const SAMPLES = 100_000;
const RUNS = 5;
// Of Node's own test of timingSafeEqual: above it, the means differ with a certainty of 99.99 %.
const CRITICAL_T = 3.892;
// Enough that no single key's own time counts, and few enough that all are in the processor's cache.
const KEYS_OF_A_CLASS = 100;
const ADDRESS = '127.0.0.1';

let database: TestDatabase;
let app: NestFastifyApplication;
let verifier: KeyVerifier;
const revoked: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  app = await startApp({ DATABASE_URL: database.url });
  verifier = app.get(KeyVerifier, { strict: false });
  const url = await app.getUrl();
  for (let made = 0; made < KEYS_OF_A_CLASS; made++) {
    const { id, secret } = await issueKey(url);
    await withKey(url).post(`/api/internal/api-keys/${id}/revoke`).expect(200);
    revoked.push(secret);
  }
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

type Check = (presented: string) => unknown;

/** Nanoseconds of so many checks of each class, in an order that is drawn by lot. */
function measure(check: Check, first: readonly string[], second: readonly string[]) {
  const times: [number[], number[]] = [[], []];
  const classes = [first, second] as const;
  while (times[0].length < SAMPLES || times[1].length < SAMPLES) {
    const side = randomInt(2) === 0 ? 0 : 1;
    const keys = classes[side];
    // A copy, as every request brings one: text that was hashed before is looked up faster.
    const presented = Buffer.from(keys[randomInt(keys.length)] ?? '').toString('latin1');
    const startedAt = process.hrtime.bigint();
    check(presented);
    times[side].push(Number(process.hrtime.bigint() - startedAt));
  }
  return times;
}

/** Welch's t of two samples, without the slowest hundredth: garbage collections and other processes say nothing of the key. */
function statistic([first, second]: [number[], number[]]): number {
  const limit =
    [...first, ...second].toSorted((a, b) => a - b)[
      Math.floor((first.length + second.length) * 0.99)
    ] ?? 0;
  const [a, b] = [first, second].map((times) => describeSample(times.filter((t) => t <= limit)));
  if (!a || !b) return 0;
  return Math.abs(a.mean - b.mean) / Math.sqrt(a.variance / a.count + b.variance / b.count);
}

function describeSample(values: number[]) {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { count, mean, variance };
}

/** How clearly the two classes are told apart: the median of several runs, so that a noisy one does not decide. */
function distinction(check: Check, first: readonly string[], second: readonly string[]): number {
  measure(check, first, second);
  const runs = Array.from({ length: RUNS }, () => statistic(measure(check, first, second)));
  return runs.toSorted((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0;
}

const unknown = Array.from({ length: KEYS_OF_A_CLASS }, () => generateApiKey('test'));

// Once in a while a busy machine tells classes apart that are alike; what is not alike is told apart every time.
describe('the time of a check', { timeout: 300_000, retry: 2 }, () => {
  it('does not tell an unknown key from a revoked one', () => {
    expect(verifier.verify(revoked[0] ?? '', ADDRESS).outcome).toBe('revoked');
    expect(verifier.verify(unknown[0] ?? '', ADDRESS).outcome).toBe('unknown');
    const check: Check = (presented) => verifier.verify(presented, ADDRESS);
    expect(distinction(check, unknown, revoked)).toBeLessThan(CRITICAL_T);
  });

  it('tells them apart where a Map is asked: the control', () => {
    const digests = new Map(revoked.map((key) => [hash('sha256', key, 'hex'), key]));
    const check: Check = (presented) => digests.get(hash('sha256', presented, 'hex'));
    expect(distinction(check, unknown, revoked)).toBeGreaterThan(CRITICAL_T);
  });

  it('tells where a wrong key differs if it is compared with ===: the control', () => {
    // Many of each: one key alone has a time of its own, by where it happens to lead.
    const letters = Array.from('ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ');
    const early = letters.map((letter) => letter + API_KEY.slice(1));
    const late = letters.map((letter) => API_KEY.slice(0, -1) + letter);
    const plain: Check = (presented) => presented === API_KEY;
    expect(distinction(plain, early, late)).toBeGreaterThan(CRITICAL_T);
    const check: Check = (presented) => verifier.verify(presented, ADDRESS);
    expect(distinction(check, early, late)).toBeLessThan(CRITICAL_T);
  });
});

describe('the work of a check', () => {
  it.each([
    ['missing', () => undefined],
    ['malformed', () => `${unknown[0]?.slice(0, -1)}_`],
    ['unknown', () => unknown[0]],
    ['revoked', () => revoked[0]],
    ['a wrong root key', () => `${API_KEY}0`],
    ['the right root key', () => API_KEY],
  ])('is one digest, one look-up and one comparison for a key that is %s', async (_case, key) => {
    const digest = vi.spyOn(KeyDigest.prototype, 'of');
    const lookUp = vi.spyOn(DigestTable.prototype, 'find');
    const comparison = vi.spyOn(RootKeyRing.prototype, 'match');
    const request = withKey(await app.getUrl(), key() ?? '').get('/api/internal/users/1');
    await (key() === undefined ? request.unset('X-API-Key') : request);
    for (const work of [digest, lookUp, comparison]) {
      expect(work).toHaveBeenCalledTimes(1);
      work.mockRestore();
    }
  });
});
