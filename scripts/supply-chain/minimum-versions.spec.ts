import { describe, expect, it } from 'vitest';
import { lockFileWith, PLAIN, soundLockFile } from './fixtures/fixture.js';
import { findOutdated, findUnusedRules } from './minimum-versions.js';

const about = (name: string) => ({
  package: name,
  minimum: ['1.4.2', '3.0.1'],
  advisory: 'CVE-2020-0001',
  reason: 'a test',
});

describe('the minimum versions', () => {
  it.each(['1.4.2', '1.10.0', '3.0.1', '3.1.0', '4.0.0', '10.0.0'])('admit %s', (version) => {
    expect(findOutdated(lockFileWith(PLAIN, { version }), [about('plain')])).toEqual([]);
  });

  it.each(['0.9.0', '1.4.1', '1.4.2-rc.1', '2.9.9', '3.0.0'])('refuse %s', (version) => {
    const found = findOutdated(lockFileWith(PLAIN, { version }), [about('plain')]);
    expect(found).toEqual([`${PLAIN} is ${version}: 1.4.2 or 3.0.1 (CVE-2020-0001)`]);
  });

  it('hold wherever a package is installed', () => {
    const found = findOutdated(soundLockFile(), [about('@scope/builds')]);
    expect(found).toHaveLength(1);
  });

  it('are not kept for packages that are gone', () => {
    const found = findUnusedRules([soundLockFile()], [about('plain'), about('gone')]);
    expect(found).toEqual(['gone is not installed: remove its minimum']);
  });
});
