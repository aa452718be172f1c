// Brings the database up to date, then gives the backend's account its rights.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readDatabaseUrl } from '../../prisma/database-url.mjs';
import { readAccount, setUpRoles } from './set-up-roles.mjs';

const pathOf = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

function readUrl(name) {
  const url = readDatabaseUrl(name);
  if (url === '') throw new Error(`${name} or ${name}_FILE is required.`);
  // Before anybody else reads it: Node's own error has the whole of it, with the password.
  if (isDecodable(url)) return url;
  throw new Error(`${name} is no URL: what is special in its password must be percent-encoded.`);
}

function isDecodable(url) {
  try {
    const { username, password } = new URL(url);
    return decodeURIComponent(username + password) !== '';
  } catch {
    return false;
  }
}

const ownerUrl = readUrl(readDatabaseUrl('DIRECT_URL') === '' ? 'DATABASE_URL' : 'DIRECT_URL');
const account = readAccount(ownerUrl, readUrl('RUN_TIME_DATABASE_URL'));
const config = pathOf('deploy/migration/prisma.config.mjs');
const args = ['migrate', 'deploy', '--config', config];
const { status } = spawnSync(
  process.execPath,
  [pathOf('node_modules/prisma/build/index.js'), ...args],
  { stdio: 'inherit' },
);
if (status === 0) await setUpRoles(ownerUrl, account);
else process.exitCode = 1;
