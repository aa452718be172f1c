import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { foreignPackages, type LockFile } from './lock-file.js';
import { compareVersions, majorOf } from './version.js';

const policySchema = z.array(
  z.strictObject({
    package: z.string(),
    /** The first safe version of each major one that has one; every later major version is safe. */
    minimum: z.array(z.string().regex(/^\d+\.\d+\.\d+$/)).min(1),
    advisory: z.string().regex(/^(CVE|GHSA)-[\w-]+$/),
    reason: z.string().min(1),
  }),
);
export type Policy = z.infer<typeof policySchema>;

export function readPolicy(path: string): Policy {
  return policySchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}

/** Packages that are older than the policy wants them to be. */
export function findOutdated(lockFile: LockFile, policy: Policy): string[] {
  return foreignPackages(lockFile).flatMap(({ place, name, version = '0.0.0' }) =>
    policy
      .filter((rule) => rule.package === name && !isSafe(version, rule.minimum))
      .map(
        ({ minimum, advisory }) => `${place} is ${version}: ${minimum.join(' or ')} (${advisory})`,
      ),
  );
}

/** Rules about packages that nobody installs any more. */
export function findUnusedRules(lockFiles: readonly LockFile[], policy: Policy): string[] {
  const names = new Set(lockFiles.flatMap(foreignPackages).map(({ name }) => name));
  return policy
    .filter((rule) => !names.has(rule.package))
    .map((rule) => `${rule.package} is not installed: remove its minimum`);
}

function isSafe(version: string, minimum: readonly string[]): boolean {
  const ofSameMajor = minimum.find((safe) => majorOf(safe) === majorOf(version));
  if (ofSameMajor !== undefined) return compareVersions(version, ofSameMajor) >= 0;
  return minimum.every((safe) => majorOf(version) > majorOf(safe));
}
