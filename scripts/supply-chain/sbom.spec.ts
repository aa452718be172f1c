import { describe, expect, it } from 'vitest';
import { PLAIN, soundLockFile } from './fixtures/fixture.js';
import { findMissingComponents, sbomSchema } from './sbom.js';

const hashes = [{ alg: 'SHA-512', content: '00'.repeat(64) }];
const components = [
  { purl: 'pkg:npm/plain@2.3.4', hashes },
  { purl: 'pkg:npm/%40scope/builds@1.0.0', hashes },
];

function sbomOf(parts: unknown[]) {
  return sbomSchema.parse({
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: 'urn:uuid:00000000-0000-4000-8000-000000000000',
    components: parts,
  });
}

describe('the software bill of materials', () => {
  it('may have every package with its digest', () => {
    expect(findMissingComponents(sbomOf(components), soundLockFile())).toEqual([]);
  });

  it.each([
    ['without it', []],
    ['in another version', [{ purl: 'pkg:npm/plain@2.3.5', hashes }]],
    ['without a digest', [{ purl: 'pkg:npm/plain@2.3.4' }]],
    [
      'with another digest',
      [{ purl: 'pkg:npm/plain@2.3.4', hashes: [{ alg: 'SHA-512', content: '01' }] }],
    ],
  ])('misses a package: %s', (_what, others) => {
    const found = findMissingComponents(
      sbomOf([...components.slice(1), ...others]),
      soundLockFile(),
    );
    expect(found).toEqual([`${PLAIN} is not in it with its digest`]);
  });

  it('is of the format CycloneDX', () => {
    expect(sbomSchema.safeParse({ ...sbomOf([]), bomFormat: 'SPDX' }).success).toBe(false);
  });
});
