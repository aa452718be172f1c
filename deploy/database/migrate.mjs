// Brings the database up to date, then gives the backend's account its rights.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readDatabaseUrl, withSearchPath } from '../../packages/environment/dist/database-url.js';
import { loadEnvFiles } from '../../packages/environment/dist/env-files.js';
import { explainFailure } from './explain-failure.mjs';
import { readAccount, setUpRoles } from './set-up-roles.mjs';

const pathOf = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

try {
  await migrate();
} catch (error) {
  console.error(explainFailure(error));
  process.exitCode = 1;
}

async function migrate() {
  loadEnvFiles();
  const ownerUrl = readUrl(readDatabaseUrl('DIRECT_URL') === '' ? 'DATABASE_URL' : 'DIRECT_URL');
  const account = readAccount(ownerUrl, readUrl('RUN_TIME_DATABASE_URL'));
  const config = pathOf('deploy/migration/prisma.config.mjs');
  const { status } = spawnSync(
    process.execPath,
    [pathOf('node_modules/prisma/build/index.js'), 'migrate', 'deploy', '--config', config],
    { stdio: 'inherit' },
  );
  if (status === 0) await setUpRoles(withSearchPath(ownerUrl), account);
  else process.exitCode = 1;
}

function readUrl(name) {
  const url = readDatabaseUrl(name);
  if (url === '') throw new Error(`${name} or ${name}_FILE is required.`);
  // Checked before Node parses it, whose own error contains the whole URL with the password.
  if (isDecodable(url)) return url;
  throw new Error(
    `${name} is not a URL: special characters in its password must be percent-encoded.`,
  );
}

function isDecodable(url) {
  try {
    const { username, password } = new URL(url);
    return decodeURIComponent(username + password) !== '';
  } catch {
    return false;
  }
}
