import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { scramVerifier } from './scram-verifier.mjs';

// Several migrations at once wait for one another: changing a role twice at the same moment fails.
const LOCK = 7_205_014;

/**
 * Gives the run-time role its rights, and the backend an account that has them and no others.
 * @param {string} ownerUrl who migrates: the owner of the tables, who may make roles
 * @param {{ name: string, password: string }} account the backend's; it is made, or given this
 *   password
 */
export async function setUpRoles(ownerUrl, account) {
  const client = new pg.Client({ connectionString: ownerUrl, connectionTimeoutMillis: 10_000 });
  // Statements for a superuser, and the remaining steps after a rolling update.
  client.on('notice', ({ severity, message }) => {
    if (severity === 'WARNING') console.warn(message);
  });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    const schema = await currentIdentifier(client, 'current_schema()');
    const roles = await readFile(new URL('roles.sql', import.meta.url), 'utf8');
    // The file is for the usual schema; `?schema=` in the owner's URL names another one.
    await client.query(roles.replaceAll('SCHEMA public', `SCHEMA ${schema}`));
    await setUpAccount(client, account, schema);
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

/**
 * The account in what the backend connects with.
 * @param {string} ownerUrl @param {string} runTimeUrl
 */
export function readAccount(ownerUrl, runTimeUrl) {
  const { username, password } = new URL(runTimeUrl);
  const name = decodeURIComponent(username);
  if (name === '' || name === decodeURIComponent(new URL(ownerUrl).username)) {
    throw new Error('The backend needs an account of its own, not that of the owner.');
  }
  return { name, password: decodeURIComponent(password) };
}

/**
 * @param {pg.Client} client @param {{ name: string, password: string }} account @param {string}
 *   schema
 */
async function setUpAccount(client, { name, password }, schema) {
  const identifier = pg.escapeIdentifier(name);
  const verifier = pg.escapeLiteral(scramVerifier(password));
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
  if (rowCount === 0) await client.query(`CREATE ROLE ${identifier}`);
  else await refusePowers(client, name);
  await client.query(`ALTER ROLE ${identifier} LOGIN INHERIT PASSWORD ${verifier}`);
  const database = await currentIdentifier(client, 'current_database()');
  await resetSettings(client, identifier, database);
  await revokeGrants(client, identifier, database, schema);
  await client.query(`GRANT latchkey_run_time TO ${identifier}`);
  await inheritAccount(client, identifier);
  // Not to the role, which is the whole server's: the accounts of its other databases are members
  // too.
  await client.query(`GRANT CONNECT ON DATABASE ${database} TO ${identifier}`);
  await refuseLoopholes(client, name);
}

/**
 * Rights of an existing account that do not come from the role.
 * @param {pg.Client} client @param {string} identifier @param {string} database @param {string}
 *   schema
 */
async function revokeGrants(client, identifier, database, schema) {
  for (const objects of ['TABLES', 'SEQUENCES', 'FUNCTIONS']) {
    await client.query(`REVOKE ALL ON ALL ${objects} IN SCHEMA ${schema} FROM ${identifier}`);
  }
  await client.query(`REVOKE ALL ON SCHEMA ${schema} FROM ${identifier}`);
  await client.query(`REVOKE ALL ON DATABASE ${database} FROM ${identifier}`);
}

/**
 * An account may change its own password and settings, such as `default_transaction_read_only`, so
 * that the backend could not work.
 * @param {pg.Client} client @param {string} identifier @param {string} database
 */
async function resetSettings(client, identifier, database) {
  await client.query(`ALTER ROLE ${identifier} RESET ALL`);
  await client.query(`ALTER ROLE ${identifier} IN DATABASE ${database} RESET ALL`);
}

/**
 * Lets the owner end the sessions of the account, when a key is revoked with the owner's account
 * because the backend's is in other hands.
 * @param {pg.Client} client @param {string} identifier
 */
async function inheritAccount(client, identifier) {
  const { rows } = await client.query(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  // Before PostgreSQL 16 it is the attribute of the owner's role that says whether it inherits.
  const options = rows[0].version >= 160_000 ? 'WITH INHERIT TRUE, SET FALSE' : '';
  await client.query(`GRANT ${identifier} TO CURRENT_USER ${options}`);
}

/** @param {pg.Client} client @param {'current_database()' | 'current_schema()'} expression */
async function currentIdentifier(client, expression) {
  const { rows } = await client.query(`SELECT ${expression} AS name`);
  return pg.escapeIdentifier(rows[0].name);
}

/**
 * An account that was there before may have more rights than it must have.
 * @param {pg.Client} client @param {string} name
 */
async function refusePowers(client, name) {
  const { rowCount } = await client.query(
    `SELECT FROM pg_roles AS role
     WHERE rolname = $1 AND (
       rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
       OR EXISTS (SELECT FROM pg_auth_members
                  WHERE member = role.oid AND roleid <> 'latchkey_run_time'::regrole)
       OR EXISTS (SELECT FROM pg_class WHERE relowner = role.oid))`,
    [name],
  );
  if (rowCount !== 0) {
    throw new Error(`The account ${name} has other rights, too: give the backend one of its own.`);
  }
}

/**
 * Only the database's owner can take these from everybody; PostgreSQL merely warns anyone else who
 * tries.
 * @param {pg.Client} client @param {string} name
 */
async function refuseLoopholes(client, name) {
  const { rows } = await client.query(
    `SELECT has_database_privilege($1, current_database(), 'TEMPORARY')
         OR has_schema_privilege($1, current_schema(), 'CREATE') AS is_open`,
    [name],
  );
  if (rows[0].is_open) {
    throw new Error('Everybody may make tables in this database: let its owner migrate.');
  }
}
