import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';

// Several migrations at once wait for one another: changing a role twice at the same moment fails.
const LOCK = 7_205_014;
const SCRAM_ITERATIONS = 4096;

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

/** Reads the account in the URL that the backend connects with. */
export function readAccount(ownerUrl, runTimeUrl) {
  const { username, password } = new URL(runTimeUrl);
  const name = decodeURIComponent(username);
  if (name === '' || name === decodeURIComponent(new URL(ownerUrl).username)) {
    throw new Error('The backend needs an account of its own, not that of the owner.');
  }
  return { name, password: decodeURIComponent(password) };
}

async function setUpAccount(client, { name, password }, schema) {
  const account = pg.escapeIdentifier(name);
  const verifier = pg.escapeLiteral(scramVerifier(password));
  const database = await currentIdentifier(client, 'current_database()');
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
  if (rowCount === 0) await client.query(`CREATE ROLE ${account}`);
  else await refusePowers(client, name);
  const statements = [
    `ALTER ROLE ${account} LOGIN INHERIT PASSWORD ${verifier}`,
    // It may change its own settings, such as `default_transaction_read_only`.
    `ALTER ROLE ${account} RESET ALL`,
    `ALTER ROLE ${account} IN DATABASE ${database} RESET ALL`,
    // Rights that were granted to it directly.
    ...['TABLES', 'SEQUENCES', 'FUNCTIONS'].map(
      (objects) => `REVOKE ALL ON ALL ${objects} IN SCHEMA ${schema} FROM ${account}`,
    ),
    `REVOKE ALL ON SCHEMA ${schema} FROM ${account}`,
    `REVOKE ALL ON DATABASE ${database} FROM ${account}`,
    `GRANT latchkey_run_time TO ${account}`,
    // The owner ends its sessions to revoke a key while the backend's account is in other hands.
    `GRANT ${account} TO CURRENT_USER ${await inheritOptions(client)}`,
    // Not to the role, which accounts of other databases of the server have, too.
    `GRANT CONNECT ON DATABASE ${database} TO ${account}`,
  ];
  for (const statement of statements) await client.query(statement);
  await refuseLoopholes(client, name);
}

/** Before PostgreSQL 16, an attribute of the owner's role decides whether it inherits. */
async function inheritOptions(client) {
  const { rows } = await client.query(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  return rows[0].version >= 160_000 ? 'WITH INHERIT TRUE, SET FALSE' : '';
}

/** @param {'current_database()' | 'current_schema()'} expression */
async function currentIdentifier(client, expression) {
  const { rows } = await client.query(`SELECT ${expression} AS name`);
  return pg.escapeIdentifier(rows[0].name);
}

/** An account that was there before may have more rights than it must have. */
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

/** Only the database's owner can take these from everybody; PostgreSQL merely warns anyone else. */
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

/**
 * Computes what PostgreSQL stores of a password (RFC 5802), so that no log of statements has it.
 */
function scramVerifier(password) {
  // Beyond ASCII the password would have to be normalised first, as every client does.
  if (!/^[\x21-\x7e]{16,}$/.test(password)) {
    throw new Error('The password must be 16 characters or more of printable ASCII.');
  }
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, 32, 'sha256');
  const hmac = (text) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${SCRAM_ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
