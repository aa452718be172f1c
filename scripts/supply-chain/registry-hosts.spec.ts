import { expect, it } from 'vitest';
import { findRegistryHosts } from './registry-hosts.js';

// In parts, or this file would break the rule.
const HOSTS = [
  ['registry', 'npmjs', 'org'],
  ['www', 'npmjs', 'com'],
  ['npm', 'pkg', 'github', 'com'],
  ['registry', 'example', 'dev'],
].map((parts) => parts.join('.'));

it.each(HOSTS)('a text that names %s is found', (host) => {
  expect(findRegistryHosts('README.md', `one\nsee https://${host}/plain`)).toEqual([
    'README.md:2 names a package registry',
  ]);
});

it('a setting of a registry is found, whatever its host is', () => {
  expect(findRegistryHosts('.npmrc', '@scope:registry=https://example.test')).toHaveLength(1);
});

it.each(['registry.metrics()', 'this.registry.contentType', 'a package.json', 'npm run check'])(
  'ordinary code is not: %s',
  (text) => {
    expect(findRegistryHosts('src/metrics.ts', text)).toEqual([]);
  },
);
