import { foreignPackages, type LockFile } from './lock-file.js';

// Where npm keeps one digest for a package, it is of 64 bytes in base64.
const SHA512 = /^sha512-[A-Za-z0-9+/]{86}==$/;

/** Packages whose content the lock file doesn't fix. */
export function findMissingIntegrity(lockFile: LockFile): string[] {
  return foreignPackages(lockFile)
    .filter(({ integrity }) => !SHA512.test(integrity ?? ''))
    .map(({ place }) => `${place} has no SHA-512 digest`);
}

/** Packages that come from elsewhere than the registry of whoever installs. */
export function findForeignSources(lockFile: LockFile): string[] {
  const named = foreignPackages(lockFile)
    .filter(({ resolved }) => resolved !== undefined)
    .map(({ place }) => `${place} names the place that it comes from`);
  const outside = Object.entries(lockFile.packages)
    .filter(([, { link, resolved }]) => link === true && !/^[\w@][\w@./-]*$/.test(resolved ?? ''))
    .map(([place]) => `${place} is linked to a folder outside`);
  const nameless = foreignPackages(lockFile)
    .filter(({ version }) => version === undefined)
    .map(({ place }) => `${place} has no version`);
  return [...named, ...outside, ...nameless];
}

/** Formats of npm before 7, whose digests don't cover everything. */
export function findOldFormat({ lockfileVersion }: LockFile): string[] {
  return lockfileVersion === 3 ? [] : [`the format is ${lockfileVersion}, not 3`];
}

/** Packages that are installed under another's name. */
export function findAliases(lockFile: LockFile): string[] {
  return foreignPackages(lockFile)
    .filter(({ place, name }) => !place.endsWith(`node_modules/${name}`))
    .map(({ place, name }) => `${place} is ${name}`);
}
