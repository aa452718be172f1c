import { z } from 'zod';
import { foreignPackages, type LockFile } from './lock-file.js';

export const sbomSchema = z.object({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string().regex(/^1\.\d+$/),
  serialNumber: z.string().regex(/^urn:uuid:[0-9a-f-]{36}$/),
  components: z.array(
    z.object({
      purl: z.string(),
      hashes: z.array(z.object({ alg: z.string(), content: z.string() })).default([]),
    }),
  ),
});
export type Sbom = z.infer<typeof sbomSchema>;

/** Packages of a lock file that its software bill of materials doesn't have, or not with the same digest. */
export function findMissingComponents(sbom: Sbom, lockFile: LockFile): string[] {
  const digests = new Map(sbom.components.map(({ purl, hashes }) => [purl, hashes[0]?.content]));
  return foreignPackages(lockFile)
    .filter(({ name, version = '', integrity = '' }) => {
      const digest = Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex');
      return digests.get(purlOf(name, version)) !== digest;
    })
    .map(({ place }) => `${place} is not in it with its digest`);
}

function purlOf(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}
