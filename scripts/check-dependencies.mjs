// The first step of `npm start`, in plain JavaScript: without dependencies nothing else runs.
import { existsSync, readFileSync } from 'node:fs';

const readPackages = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;

/** Whether npm has installed every package of the lock file in the version that it names. */
function areInstalled() {
  // npm keeps a list of what it has installed there.
  const list = 'node_modules/.package-lock.json';
  if (!existsSync(list)) return false;
  const installed = readPackages(list);
  return Object.entries(readPackages('package-lock.json')).every(
    ([path, { version, optional, devOptional, link }]) =>
      !path.includes('node_modules/') ||
      optional ||
      devOptional ||
      (link ? path in installed : installed[path]?.version === version),
  );
}

if (!areInstalled()) {
  console.error('✗ Dependencies are missing or outdated: run npm ci, then npm start again.');
  process.exit(1);
}
