import type { Manifest } from './manifest.js';

const EXACT = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

/** Dependencies whose version may change without anybody's doing. */
export function findRanges({
  dependencies,
  devDependencies,
  optionalDependencies,
}: Manifest): string[] {
  const all = { ...dependencies, ...devDependencies, ...optionalDependencies };
  return Object.entries(all)
    .filter(([, version]) => !EXACT.test(version))
    .map(([name, version]) => `${name} may be any of ${version}`);
}

/** Actions of a workflow that aren't fixed by the hash of a commit. */
export function findMovingActions(workflow: string): string[] {
  return [...workflow.matchAll(/^\s*-?\s*uses:\s*(\S+)/gm)]
    .map(([, action = '']) => action)
    .filter((action) => !/@[0-9a-f]{40}$/.test(action))
    .map((action) => `${action} may change`);
}
