import { describe, expect, it } from 'vitest';
import { findMisspelled } from './misspelled.js';

const KNOWN = [
  'HOST',
  'PORT',
  'INTERNAL_API_KEY',
  'KEY_RATE_LIMIT',
  'LOG_LEVEL',
  'METRICS_HOST',
  'REDIS_URL',
  'TRUSTED_PROXIES',
];

describe('findMisspelled', () => {
  it.each([
    ['INTERNAL_API_KY', 'INTERNAL_API_KEY'],
    ['KEY_RATELIMIT', 'KEY_RATE_LIMIT'],
    ['TRUSTED_PROXY', 'TRUSTED_PROXIES'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['REDIS_URI', 'REDIS_URL'],
  ])('suggests a name for %s', (name, suggestion) => {
    expect(findMisspelled([name], KNOWN)).toEqual([
      `${name} is not a variable of Latchkey: did you mean ${suggestion}?`,
    ]);
  });

  it('does not warn about known variables, nor about variables of the system and of npm', () => {
    const system = ['PATH', 'HOME', 'PWD', 'HOSTNAME', 'USER', 'LANG', 'NODE_OPTIONS', 'TZ'];
    const npm = ['npm_config_cache', 'npm_package_name', 'npm_lifecycle_event'];
    expect(findMisspelled([...KNOWN, ...system, ...npm, 'MCP_RATE_LIMIT'], KNOWN)).toEqual([]);
  });

  it('does not warn about a similar variable that only another process reads', () => {
    expect(findMisspelled(['METRICS_PORT'], KNOWN)).toHaveLength(1);
    expect(findMisspelled(['METRICS_PORT'], KNOWN, ['METRICS_PORT'])).toEqual([]);
  });
});
