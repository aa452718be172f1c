import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';

// Several migrations at once wait for one another: changing a role twice at the same moment fails.
const LOCK = 7_205_014;
const SCRAM_ITERATIONS = 4096;

/**
 * Gives the run-time role its rights, and the backend an account that has them and no others.
 * @param {string} ownerUrl the account of the owner of the tables, which may create roles
 * @param {{ name: string, password: string }} account the backend's; it may be missing
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
    const { rows } = await client.query(
      `SELECT quote_ident(current_schema()) AS schema, quote_ident(current_database()) AS database,
              current_setting('server_version_num')::int AS version`,
    );
    const [server] = rows;
    const roles = await readFile(new URL('roles.sql', import.meta.url), 'utf8');
    // The file is for the usual schema; `?schema=` in the owner's URL names another one.
    await client.query(roles.replaceAll('SCHEMA public', `SCHEMA ${server.schema}`));
    await setUpAccount(client, account, server);
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

async function setUpAccount(client, { name, password }, { schema, database, version }) {
  const account = pg.escapeIdentifier(name);
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
  if (rowCount === 0) await client.query(`CREATE ROLE ${account}`);
  else await refusePowers(client, name);
  // Before PostgreSQL 16, an attribute of the owner's role decides whether it inherits.
  const inheriting = version >= 160_000 ? 'WITH INHERIT TRUE, SET FALSE' : '';
  await client.query(`
    ALTER ROLE ${account} LOGIN INHERIT PASSWORD ${pg.escapeLiteral(scramVerifier(password))};
    -- It may change its own settings, such as default_transaction_read_only.
    ALTER ROLE ${account} RESET ALL;
    ALTER ROLE ${account} IN DATABASE ${database} RESET ALL;
    -- Rights that were granted to it directly.
    REVOKE ALL ON ALL TABLES IN SCHEMA ${schema} FROM ${account};
    REVOKE ALL ON ALL SEQUENCES IN SCHEMA ${schema} FROM ${account};
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ${schema} FROM ${account};
    REVOKE ALL ON SCHEMA ${schema} FROM ${account};
    REVOKE ALL ON DATABASE ${database} FROM ${account};
    GRANT latchkey_run_time TO ${account};
    -- The owner ends its sessions to revoke a key while the backend's account is in other hands.
    GRANT ${account} TO CURRENT_USER ${inheriting};
    -- Not to the role, which accounts of other databases of the server have, too.
    GRANT CONNECT ON DATABASE ${database} TO ${account};
  `);
  await refuseLoopholes(client, name);
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

/** The form in which PostgreSQL stores a password (RFC 5802): no log of statements may have it. */
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
