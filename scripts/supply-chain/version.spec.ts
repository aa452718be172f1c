import { expect, it } from 'vitest';
import { compareVersions } from './version.js';

// As in SemVer 2, section 11.
const ASCENDING = [
  '0.9.10',
  '1.0.0-alpha',
  '1.0.0-alpha.1',
  '1.0.0-alpha.beta',
  '1.0.0-beta',
  '1.0.0-beta.2',
  '1.0.0-beta.11',
  '1.0.0-rc.1',
  '1.0.0',
  '1.2.0',
  '1.10.0',
  '2.0.0',
];

it.each(ASCENDING.slice(1).map((version, index) => [ASCENDING[index] ?? '', version]))(
  '%s comes before %s',
  (older, newer) => {
    expect(compareVersions(older, newer)).toBeLessThan(0);
    expect(compareVersions(newer, older)).toBeGreaterThan(0);
  },
);

it('versions that differ in their build only rank the same', () => {
  expect(compareVersions('1.0.0+1', '1.0.0+2')).toBe(0);
});
