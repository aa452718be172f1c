import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { externalPackages, lockFileSchema } from '../../scripts/supply-chain/rules.js';

const sbomSchema = z.object({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string().regex(/^1\.\d+$/),
  serialNumber: z.string().regex(/^urn:uuid:[0-9a-f-]{36}$/),
  components: z.array(
    z.object({ purl: z.string(), hashes: z.array(z.object({ content: z.string() })).default([]) }),
  ),
});

it('npm run sbom lists every package of the lock file with its digest', async () => {
  await promisify(execFile)('npm', ['run', 'sbom']);

  const sbom = sbomSchema.parse(JSON.parse(await readFile('reports/sbom.cdx.json', 'utf8')));
  const listed = sbom.components.map(({ purl, hashes }) => `${purl} ${hashes[0]?.content}`);
  const lockFile = lockFileSchema.parse(JSON.parse(await readFile('package-lock.json', 'utf8')));
  const locked = externalPackages(lockFile).map(({ name, version, integrity }) => {
    const digest = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex');
    return `pkg:npm/${name.replace('@', '%40')}@${version} ${digest}`;
  });
  expect(locked.length).toBeGreaterThan(300);
  expect(listed).toEqual(expect.arrayContaining(locked));
});
