import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type LockFile,
  checkLockFile,
  externalPackages,
  findUnpinnedActions,
  findRanges,
  findRegistryHosts,
  findUnused,
  lockFileSchema,
  manifestSchema,
} from './rules.js';

const FIXTURE = new URL('fixtures/lock-file.json', import.meta.url);
const PLAIN = 'node_modules/plain';
const BUILDS = 'node_modules/plain/node_modules/@scope/builds';
const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies'];
const RANGES = ['^1.2.3', '~1.2.3', '1.2', '*', 'latest', '', '>=1', 'npm:other@1.2.3', 'file:..'];

const minimum = (name: string) => ({
  package: name,
  safe: '^1.4.2 || >=3.0.1',
  advisory: 'CVE-2020-0001',
  reason: 'a test',
});
const policy = { allowScripts: { '@scope/builds': false }, minimumVersions: [minimum('plain')] };

/** Returns a lock file that follows the policy, except for a test's changes of one package. */
function lockFile(path = PLAIN, changes: Partial<LockFile['packages'][string]> = {}): LockFile {
  const valid = lockFileSchema.parse(JSON.parse(readFileSync(FIXTURE, 'utf8')));
  const changed = lockFileSchema.shape.packages.parse({
    [path]: { ...valid.packages[path], ...changes },
  });
  return { ...valid, packages: { ...valid.packages, ...changed } };
}

describe('findRanges', () => {
  it.each(KINDS)('accepts exact versions in %s', (kind) => {
    const manifest = manifestSchema.parse({ [kind]: { fixed: '1.2.3', preview: '1.0.0-beta.1' } });
    expect(findRanges(manifest)).toEqual([]);
  });

  it.each(KINDS.flatMap((kind) => RANGES.map((range) => [kind, range])))(
    'rejects a range in %s: "%s"',
    (kind, range) => {
      expect(findRanges(manifestSchema.parse({ [kind]: { moving: range } }))).toHaveLength(1);
    },
  );
});

describe('findUnpinnedActions', () => {
  it('accepts an action that is pinned to a commit', () => {
    const step = `    steps:\n      - uses: some/action@${'0a'.repeat(20)} # v1\n`;
    expect(findUnpinnedActions(step)).toEqual([]);
  });

  it.each(['some/action@v4', 'some/action@main', 'some/action@0a0a0a0', 'some/action'])(
    'rejects the action %s',
    (action) => {
      expect(findUnpinnedActions(`      - uses: ${action}\n`)).toHaveLength(1);
    },
  );
});

describe('checkLockFile', () => {
  it('accepts a lock file that follows the policy', () => {
    expect(externalPackages(lockFile()).map(({ name }) => name)).toEqual([
      'plain',
      '@scope/builds',
    ]);
    expect(checkLockFile(lockFile(), policy)).toEqual([]);
  });

  it.each([undefined, '', 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=', 'sha512-AAAA'])(
    'rejects a package with the digest %s',
    (integrity) => {
      const problems = checkLockFile(lockFile(PLAIN, { integrity }), policy);
      expect(problems).toEqual([`${PLAIN} has no SHA-512 digest`]);
    },
  );

  it.each([
    'https://example.test/plain-2.3.4.tgz',
    'git+ssh://git@example.test/plain.git#0123456',
    'file:../plain.tgz',
  ])('rejects a package from the source %s', (resolved) => {
    const problems = checkLockFile(lockFile(PLAIN, { resolved }), policy);
    expect(problems).toEqual([`${PLAIN} has a "resolved" URL`]);
  });

  it('rejects a link to a folder outside the project', () => {
    const outside = lockFile('node_modules/@fixture/part', { resolved: '../part' });
    expect(checkLockFile(outside, policy)).toHaveLength(1);
  });

  it('rejects a package without a version', () => {
    const problems = checkLockFile(lockFile(BUILDS, { version: undefined }), policy);
    expect(problems).toEqual([`${BUILDS} has no version`]);
  });

  it('rejects a package that is installed under another name', () => {
    expect(checkLockFile(lockFile(BUILDS, { name: 'other' }), policy)).toContain(
      `${BUILDS} is an alias of other`,
    );
  });

  it('rejects a lock file in an old format', () => {
    expect(lockFileSchema.safeParse({ ...lockFile(), lockfileVersion: 1 }).success).toBe(false);
  });

  it('rejects a package with an install script that allowScripts does not list', () => {
    const problems = checkLockFile(lockFile(), { ...policy, allowScripts: { builds: true } });
    expect(problems).toEqual([`${BUILDS} has an install script and is not listed in allowScripts`]);
  });

  it.each(['1.4.2', '1.10.0', '3.0.1', '3.1.0', '4.0.0', '4.0.0-rc.1', '10.0.0'])(
    'accepts the safe version %s',
    (version) => {
      expect(checkLockFile(lockFile(PLAIN, { version }), policy)).toEqual([]);
    },
  );

  it.each(['0.9.0', '1.4.1', '1.4.2-rc.1', '2.9.9', '3.0.0'])(
    'rejects the vulnerable version %s',
    (version) => {
      const problems = checkLockFile(lockFile(PLAIN, { version }), policy);
      expect(problems).toEqual([
        `${PLAIN} has version ${version}, but only ^1.4.2 || >=3.0.1 is safe (CVE-2020-0001)`,
      ]);
    },
  );

  it('rejects a vulnerable version of a nested package', () => {
    const nested = { ...policy, minimumVersions: [minimum('@scope/builds')] };
    expect(checkLockFile(lockFile(), nested)).toHaveLength(1);
  });
});

describe('findUnused', () => {
  it('accepts a policy that names only installed packages', () => {
    expect(findUnused([lockFile()], policy)).toEqual([]);
  });

  it('reports a package in allowScripts that has no install script', () => {
    const allowScripts = { '@scope/builds': true, plain: true };
    expect(findUnused([lockFile()], { ...policy, allowScripts })).toEqual([
      'allowScripts names plain, which has no install script',
    ]);
  });

  it('reports the minimum version of a package that is not installed', () => {
    const minimumVersions = [minimum('plain'), minimum('gone')];
    expect(findUnused([lockFile()], { ...policy, minimumVersions })).toEqual([
      'gone is not installed: remove its minimum version',
    ]);
  });
});

describe('findRegistryHosts', () => {
  // Split into parts, because this file itself must not contain a registry's host.
  const hosts = [
    ['registry', 'npmjs', 'org'],
    ['www', 'npmjs', 'com'],
    ['npm', 'pkg', 'github', 'com'],
    ['registry', 'example', 'dev'],
  ].map((parts) => parts.join('.'));

  it.each(hosts)('finds %s in a text', (host) => {
    expect(findRegistryHosts('README.md', `one\nsee https://${host}/plain`)).toEqual(['line 2']);
  });

  it('finds the registry setting in an .npmrc, whatever its host', () => {
    expect(findRegistryHosts('.npmrc', '@scope:registry=https://example.test')).toHaveLength(1);
  });

  it.each(['registry.metrics()', 'this.registry.contentType', 'a package.json', 'npm run check'])(
    'accepts ordinary code: %s',
    (text) => {
      expect(findRegistryHosts('src/metrics.ts', text)).toEqual([]);
    },
  );
});
