// The first step of `npm start`. It is plain JavaScript, because tsx may not be installed yet.
import { existsSync, readFileSync } from 'node:fs';

const readPackages = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;

// npm lists the installed packages in this file.
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
