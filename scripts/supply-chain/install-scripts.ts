import { foreignPackages, type LockFile } from './lock-file.js';

type AllowedScripts = Readonly<Record<string, boolean>>;

/** Packages that would run a script when they are installed, which nobody has allowed or denied by name. */
export function findUnnamedScripts(lockFile: LockFile, allowed: AllowedScripts): string[] {
  return foreignPackages(lockFile)
    .filter(({ name, hasInstallScript }) => hasInstallScript === true && !(name in allowed))
    .map(({ place }) => `${place} has an install script that allowScripts doesn't name`);
}

/** Names that are allowed to run a script for no reason: whoever takes such a name over could run one. */
export function findUnusedNames(lockFiles: readonly LockFile[], allowed: AllowedScripts): string[] {
  const running = new Set(
    lockFiles
      .flatMap(foreignPackages)
      .filter(({ hasInstallScript }) => hasInstallScript === true)
      .map(({ name }) => name),
  );
  return Object.keys(allowed)
    .filter((name) => !running.has(name))
    .map((name) => `allowScripts names ${name}, which has no install script`);
}

const SETTINGS = [
  'omit-lockfile-registry-resolved=true',
  'save-exact=true',
  // Whatever allowScripts says: older versions of npm know only this.
  'ignore-scripts=true',
];

/** Settings that the other rules rely on. */
export function findMissingSettings(npmrc: string): string[] {
  const lines = new Set(npmrc.split('\n'));
  return SETTINGS.filter((setting) => !lines.has(setting)).map(
    (setting) => `${setting} is missing`,
  );
}
