// The first step of `npm start`, in plain JavaScript: without dependencies nothing else runs.
import { existsSync, readFileSync } from 'node:fs';

const readPackages = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;

// npm keeps a list of the packages that it has installed there.
const list = 'node_modules/.package-lock.json';
const installed = existsSync(list) ? readPackages(list) : {};

function isMissing([path, { version, optional, devOptional, link }]) {
  if (!path.includes('node_modules/') || optional || devOptional) return false;
  return link ? !(path in installed) : installed[path]?.version !== version;
}

if (Object.entries(readPackages('package-lock.json')).some(isMissing)) {
  console.error('✗ Dependencies are missing or outdated: run npm ci, then npm start again.');
  process.exit(1);
}
