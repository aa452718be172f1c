import { describe, expect, it } from 'vitest';
import { lockFileWith, PLAIN, soundLockFile } from './fixtures/fixture.js';
import { foreignPackages } from './lock-file.js';
import {
  findAliases,
  findForeignSources,
  findMissingIntegrity,
  findOldFormat,
} from './lock-file-rules.js';

describe('a lock file', () => {
  it('tells what comes from elsewhere, by its own name', () => {
    const names = foreignPackages(soundLockFile()).map(({ name }) => name);
    expect(names).toEqual(['plain', '@scope/builds']);
  });

  it('may be sound', () => {
    const rules = [findMissingIntegrity, findForeignSources, findAliases, findOldFormat];
    expect(rules.flatMap((find) => find(soundLockFile()))).toEqual([]);
  });

  it.each([undefined, '', 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=', 'sha512-AAAA'])(
    'needs a whole SHA-512 digest of each package, not %s',
    (integrity) => {
      const found = findMissingIntegrity(lockFileWith(PLAIN, { integrity }));
      expect(found).toEqual([`${PLAIN} has no SHA-512 digest`]);
    },
  );

  it.each([
    'https://example.test/plain-2.3.4.tgz',
    'git+ssh://git@example.test/plain.git#0123456',
    'file:../plain.tgz',
  ])('names no place that a package comes from: %s', (resolved) => {
    expect(findForeignSources(lockFileWith(PLAIN, { resolved }))).toHaveLength(1);
  });

  it('links no folder outside', () => {
    const lockFile = lockFileWith('node_modules/@fixture/part', { resolved: '../part' });
    expect(findForeignSources(lockFile)).toHaveLength(1);
  });

  it('has a version of each package', () => {
    expect(findForeignSources(lockFileWith(PLAIN, { version: undefined }))).toHaveLength(1);
  });

  it('installs no package under the name of another', () => {
    expect(findAliases(lockFileWith(PLAIN, { name: 'other' }))).toEqual([`${PLAIN} is other`]);
  });

  it('has the current format', () => {
    expect(findOldFormat({ ...soundLockFile(), lockfileVersion: 1 })).toHaveLength(1);
  });
});
