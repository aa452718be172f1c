// Runs the pending migrations, and then grants the backend's account its rights.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readDatabaseUrl, withSearchPath } from '../../packages/environment/dist/database-url.js';
import { loadEnvFiles } from '../../packages/environment/dist/env-files.js';
import { readAccount, setUpRoles } from './set-up-roles.mjs';

// PostgreSQL's error codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
const INSUFFICIENT_PRIVILEGE = '42501';
const CONNECTION_FAILURES = new Map([
  ['28P01', 'the password is wrong'],
  ['28000', 'the server does not accept this account: check pg_hba.conf'],
  ['3D000', 'the database does not exist'],
  ['ECONNREFUSED', 'no server listens at this address'],
  ['ENOTFOUND', 'the host name is unknown'],
]);

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
  const prisma = 'node_modules/prisma/build/index.js';
  const { status } = spawnSync(process.execPath, [prisma, 'migrate', 'deploy'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: 'inherit',
  });
  if (status === 0) await setUpRoles(withSearchPath(ownerUrl), account);
  else process.exitCode = 1;
}

function readUrl(name) {
  const url = readDatabaseUrl(name);
  if (url === '') throw new Error(`${name} or ${name}_FILE is required.`);
  try {
    const { username, password } = new URL(url);
    decodeURIComponent(username + password);
    return url;
  } catch {
    // Replaces Node's error, which contains the whole URL with the password.
    throw new Error(
      `${name} is not a URL: special characters in its password must be percent-encoded.`,
    );
  }
}

/** Returns one sentence with the cause and the remedy, instead of a stack trace. */
function explainFailure({ code, routine, message }) {
  const cause = CONNECTION_FAILURES.get(code);
  if (cause !== undefined) return `Cannot connect to the database (${code}): ${cause}.`;
  // `routine` is the C function in PostgreSQL that raised the error, such as CreateRole.
  if (code === INSUFFICIENT_PRIVILEGE && /Role/.test(routine)) {
    return `The owner may not create or change roles (${message}): let a superuser run ALTER ROLE … CREATEROLE.`;
  }
  if (code === INSUFFICIENT_PRIVILEGE) {
    return `The owner's account lacks a right (${message}): use the account that owns the database.`;
  }
  return code === undefined ? message : `The migration failed (${code}): ${message}.`;
}
