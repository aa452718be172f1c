import { describe, expect, it } from 'vitest';
import { BUILDS, soundLockFile } from './fixtures/fixture.js';
import { findMissingSettings, findUnnamedScripts, findUnusedNames } from './install-scripts.js';

describe('an install script', () => {
  it.each([true, false])('may be allowed or denied by name: %s', (isAllowed) => {
    expect(findUnnamedScripts(soundLockFile(), { '@scope/builds': isAllowed })).toEqual([]);
  });

  it('is found where nobody has named it', () => {
    const found = findUnnamedScripts(soundLockFile(), { builds: true });
    expect(found).toEqual([`${BUILDS} has an install script that allowScripts doesn't name`]);
  });

  it('is missed where a package is named that has none', () => {
    const found = findUnusedNames([soundLockFile()], { '@scope/builds': true, plain: true });
    expect(found).toEqual(['allowScripts names plain, which has no install script']);
  });
});

describe('the settings of npm', () => {
  const settings = [
    'omit-lockfile-registry-resolved=true',
    'save-exact=true',
    'ignore-scripts=true',
  ];

  it('are what the rules rely on', () => {
    expect(findMissingSettings(`${settings.join('\n')}\n`)).toEqual([]);
  });

  it.each(settings)('are not without %s', (setting) => {
    const others = settings.filter((other) => other !== setting);
    expect(findMissingSettings(others.join('\n'))).toEqual([`${setting} is missing`]);
  });
});
