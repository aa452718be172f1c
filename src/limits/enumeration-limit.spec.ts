import { ConfigService } from '@nestjs/config';
import { describe, expect, it } from 'vitest';
import type { Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';
import { EnumerationLimit } from './enumeration-limit.js';
import { SharedHours } from './shared-hours.js';
import { SharedStore } from './shared-store.js';

const QUOTA = 50;

function createLimit() {
  const config = new ConfigService<Environment, true>({
    LIMITS: 'on',
    KEY_USERS_LIMIT: QUOTA,
    KEY_MISSES_LIMIT: QUOTA,
  });
  return new EnumerationLimit(new SharedHours(new SharedStore(config)), config);
}

function callerWith(...keyIds: string[]): Principal {
  const budgets = keyIds.map((keyId) => ({ keyId }));
  return {
    keyId: '',
    isRoot: false,
    scopes: [],
    readFields: undefined,
    writeFields: undefined,
    budgets,
  };
}

const OWN = callerWith('own');
const numbered = (name: string, length: number) =>
  Array.from({ length }, (_, number) => `${name}-${number}`);
const isRefused = async (operation: () => unknown): Promise<boolean> => {
  try {
    await operation();
    return false;
  } catch (error) {
    return error instanceof ProblemException && error.code === 'ENUMERATION_LIMITED';
  }
};
const notFound = async (): Promise<never> => {
  throw new ProblemException('USER_NOT_FOUND');
};

describe('the limit on misses', () => {
  it('refuses all look-ups in flight when it is reached, whether or not the user exists', async () => {
    const limit = createLimit();
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const existing = limit.runLookup(OWN, 'existing', () => answered);
    const absent = limit.runLookup(OWN, 'absent', () => answered.then(notFound));
    limit.recordResults(OWN, [], numbered('absent', QUOTA));
    answer();
    expect(await Promise.all([existing, absent].map((each) => isRefused(() => each)))).toEqual([
      true,
      true,
    ]);
  });

  it('does not refuse a committed change, even if the limit is reached during the change', async () => {
    const limit = createLimit();
    const change = limit.runWrite(OWN, ['existing'], { id: 'existing' }, async () => {
      limit.recordResults(OWN, [], numbered('absent', QUOTA));
      return 'changed';
    });
    expect(await change).toBe('changed');
    expect(await isRefused(() => limit.recordLookup(OWN, []))).toBe(true);
  });

  it('does not count look-ups that fail because the database is unavailable', async () => {
    const limit = createLimit();
    for (const id of numbered('user', QUOTA)) {
      const failing = async () => {
        throw new ProblemException('DATABASE_UNAVAILABLE');
      };
      await expect(limit.runLookup(OWN, id, failing)).rejects.toThrow('database');
    }
    expect(await isRefused(() => limit.recordLookup(OWN, []))).toBe(false);
  });

  it('refuses a response with more misses than the limit still permits', async () => {
    const limit = createLimit();
    limit.recordResults(OWN, [], numbered('one', QUOTA - 1));
    expect(await isRefused(() => limit.recordResults(OWN, [], ['a', 'b']))).toBe(true);
  });
});

describe('EnumerationLimit', () => {
  it('counts the looked-up users of an issued key against the limit of its issuer, too', async () => {
    const limit = createLimit();
    const [one, other] = [callerWith('one', 'issuer'), callerWith('other', 'issuer')];
    limit.recordLookup(one, numbered('user', QUOTA / 2));
    limit.recordLookup(other, numbered('another', QUOTA / 2));
    expect(await isRefused(() => limit.recordLookup(other, ['one too many']))).toBe(true);
    expect(await isRefused(() => limit.recordLookup(callerWith('issuer'), []))).toBe(true);
  });

  it('counts the misses of an issued key against the limit of its issuer, too', async () => {
    const limit = createLimit();
    const [one, other] = [callerWith('one', 'issuer'), callerWith('other', 'issuer')];
    for (const id of numbered('absent', QUOTA)) {
      await expect(limit.runLookup(one, id, notFound)).rejects.toThrow('User not found');
    }
    expect(await isRefused(() => limit.recordLookup(other, []))).toBe(true);
  });

  it('counts at most one refused request of an issued key against its issuer', async () => {
    const limit = createLimit();
    const child = callerWith('child', 'issuer');
    limit.recordLookup(callerWith('child'), numbered('user', QUOTA));
    for (const id of numbered('another', 1000)) {
      expect(await isRefused(() => limit.recordLookup(child, [id]))).toBe(true);
    }
    expect(
      await isRefused(() => limit.recordLookup(callerWith('issuer'), numbered('own', QUOTA - 1))),
    ).toBe(false);
  });
});
