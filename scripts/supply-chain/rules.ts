import semver from 'semver';
import { z } from 'zod';

const versions = z.record(z.string(), z.string()).default({});
export const manifestSchema = z.object({
  dependencies: versions,
  devDependencies: versions,
  optionalDependencies: versions,
  allowScripts: z.record(z.string(), z.boolean()).default({}),
});
type Manifest = z.infer<typeof manifestSchema>;

const packageSchema = z.object({
  name: z.string().optional(),
  version: z.string().default(''),
  resolved: z.string().optional(),
  integrity: z.string().default(''),
  link: z.boolean().default(false),
  hasInstallScript: z.boolean().default(false),
});
export const lockFileSchema = z.object({
  // Older formats do not have a digest of every package.
  lockfileVersion: z.literal(3),
  packages: z.record(z.string(), packageSchema),
});
export type LockFile = z.infer<typeof lockFileSchema>;
type LockedPackage = ReturnType<typeof externalPackages>[number];

/** Vulnerabilities of packages (`advisory`), and the versions that are not affected (`safe`). */
export const minimumVersionsSchema = z.array(
  z.strictObject({
    package: z.string(),
    safe: z.string().refine((range) => semver.validRange(range) !== null),
    advisory: z.string().regex(/^(CVE|GHSA)-[\w-]+$/),
    reason: z.string().min(1),
  }),
);

export interface Policy {
  readonly allowScripts: Manifest['allowScripts'];
  readonly minimumVersions: z.infer<typeof minimumVersionsSchema>;
}

export function findRanges(manifest: Manifest): string[] {
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    .filter(([, version]) => semver.valid(version) !== version)
    .map(([name, version]) => `${name}: "${version}" is not an exact version`);
}

export function findUnpinnedActions(workflow: string): string[] {
  return [...workflow.matchAll(/^\s*-?\s*uses:\s*(\S+)/gm)]
    .map(([, action = '']) => action)
    .filter((action) => !/@[0-9a-f]{40}$/.test(action))
    .map((action) => `${action} is not pinned to a commit`);
}

/** Lists every package that npm downloads: all except the project itself and its workspaces. */
export function externalPackages({ packages }: LockFile) {
  return Object.entries(packages)
    .filter(([path, { link }]) => path.includes('node_modules/') && !link)
    .map(([path, locked]) => {
      const installedAs = path.replace(/^.*node_modules\//, '');
      return Object.assign(locked, { path, installedAs, name: locked.name ?? installedAs });
    });
}

/** Lists the problems of a lock file, each with the path of the package. */
export function checkLockFile(lockFile: LockFile, policy: Policy): string[] {
  const external = externalPackages(lockFile).flatMap((locked) =>
    checkPackage(locked, policy).map((problem) => `${locked.path} ${problem}`),
  );
  const outside = Object.entries(lockFile.packages)
    .filter(([, { link, resolved = '' }]) => link && !/^[\w@][\w@./-]*$/.test(resolved))
    .map(([path]) => `${path} links to a folder outside the project`);
  return [...external, ...outside];
}

function checkPackage(locked: LockedPackage, policy: Policy): string[] {
  const { installedAs, name, version, resolved, integrity, hasInstallScript } = locked;
  const problems = {
    'has no SHA-512 digest': !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity),
    'has a "resolved" URL': resolved !== undefined,
    'has no version': !semver.valid(version),
    [`is an alias of ${name}`]: name !== installedAs,
    'has an install script and is not listed in allowScripts':
      hasInstallScript && !(name in policy.allowScripts),
  };
  const unsafe = policy.minimumVersions
    .filter((minimum) => minimum.package === name && !isSafe(version, minimum.safe))
    .map(({ safe, advisory }) => `has version ${version}, but only ${safe} is safe (${advisory})`);
  return [...Object.entries(problems).flatMap(([text, isTrue]) => (isTrue ? text : [])), ...unsafe];
}

/** A prerelease of the first safe version is unsafe; a prerelease of a later version is safe. */
function isSafe(version: string, range: string): boolean {
  return semver.satisfies(version, range, { includePrerelease: true });
}

/**
 * Finds entries of the policy that no installed package needs. If an entry names a package that is
 * not installed, an attacker could publish a package under this name.
 */
export function findUnused(lockFiles: readonly LockFile[], policy: Policy): string[] {
  const packages = lockFiles.flatMap(externalPackages);
  const scripts = new Set(packages.flatMap((each) => (each.hasInstallScript ? each.name : [])));
  const names = new Set(packages.map(({ name }) => name));
  return [
    ...Object.keys(policy.allowScripts)
      .filter((name) => !scripts.has(name))
      .map((name) => `allowScripts names ${name}, which has no install script`),
    ...policy.minimumVersions
      .filter((minimum) => !names.has(minimum.package))
      .map((minimum) => `${minimum.package} is not installed: remove its minimum version`),
  ];
}

const REGISTRY_HOST =
  /(?:^|[^\w.])(?:registry|npm|packages?)\.[\w-]+(?:\.[\w-]+)*\.?(?:com|org|io|net|dev|cloud)\b|\bnpmjs\.(?:com|org)\b/i;

/** Finds registry hosts: a file must not select a registry, which would receive npm tokens. */
export function findRegistryHosts(path: string, text: string): string[] {
  const isHost = (line: string) =>
    REGISTRY_HOST.test(line) || (path.endsWith('npmrc') && /\bregistry\s*=/.test(line));
  return text.split('\n').flatMap((line, index) => (isHost(line) ? [`line ${index + 1}`] : []));
}
