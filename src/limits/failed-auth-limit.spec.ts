import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ConfigService } from '@nestjs/config';
import { describe, expect, it } from 'vitest';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';
import { FailedAuthLimit } from './failed-auth-limit.js';

const SOURCES = process.env.FULL === '1' ? 1_000_000 : 100_000;
const MAX_MEGABYTES = 20;

function limitOf(quota: number): FailedAuthLimit {
  const settings = { LIMITS: 'on', SOURCE_FAILURE_LIMIT: quota };
  return new FailedAuthLimit(new ConfigService<Environment, true>(settings));
}

function isRefused(limit: FailedAuthLimit, address: string): boolean {
  try {
    limit.count(address);
    return false;
  } catch (error) {
    if (error instanceof ProblemException && error.code === 'TOO_MANY_FAILURES') return true;
    throw error;
  }
}

function heapMegabytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed / 1024 ** 2;
}

describe('the limit of failures', () => {
  it(`takes less than ${MAX_MEGABYTES} MB for ${SOURCES} addresses`, { timeout: 60_000 }, () => {
    const limit = limitOf(100);
    const before = heapMegabytes();
    for (let number = 0; number < SOURCES; number++) {
      limit.count(`2001:db8:${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}::1`);
    }
    const used = heapMegabytes() - before;
    console.log(`${limit.size} of ${SOURCES} sources are remembered, in ${used.toFixed(1)} MB`);
    expect(limit.size).toBeLessThanOrEqual(10_000);
    expect(used).toBeLessThan(MAX_MEGABYTES);
  });

  it('remembers an address that goes on while others come', () => {
    const limit = limitOf(3);
    let refused = false;
    for (let round = 0; round < 4; round++) {
      refused = isRefused(limit, '192.0.2.1');
      for (let other = 0; other < 5000; other++)
        limit.count(`10.${round}.${other >> 8}.${other & 255}`);
    }
    expect(refused).toBe(true);
  });
});
