import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';

// Advisory lock: concurrent runs wait for each other, because concurrent changes of a role fail.
const LOCK = 7_205_014;
const SCRAM_ITERATIONS = 4096;

/**
 * Grants the run-time role its rights, and sets up a backend account with only these rights.
 * @param {string} ownerUrl the URL with the account that owns the tables and may create roles
 * @param {{ name: string, password: string }} account the backend's account, created if missing
 */
export async function setUpRoles(ownerUrl, account) {
  const client = new pg.Client({ connectionString: ownerUrl, connectionTimeoutMillis: 10_000 });
  // roles.sql raises warnings about steps that the operator or a superuser has to do.
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
    // The file names the default schema, but `?schema=` in the owner's URL may name another schema.
    await client.query(roles.replaceAll('SCHEMA public', `SCHEMA ${server.schema}`));
    await setUpAccount(client, account, server);
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

/** Returns the account in `runTimeUrl`, with which the backend connects. */
export function readAccount(ownerUrl, runTimeUrl) {
  const { username, password } = new URL(runTimeUrl);
  const name = decodeURIComponent(username);
  if (name === '' || name === decodeURIComponent(new URL(ownerUrl).username)) {
    throw new Error(
      'The backend needs its own account: RUN_TIME_DATABASE_URL must not name the owner.',
    );
  }
  return { name, password: decodeURIComponent(password) };
}

async function setUpAccount(client, { name, password }, { schema, database, version }) {
  const account = pg.escapeIdentifier(name);
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
  if (rowCount === 0) await client.query(`CREATE ROLE ${account}`);
  else await refusePowers(client, name);
  // GRANT has these options since PostgreSQL 16. In 15, the owner's attribute INHERIT decides
  // whether the owner inherits the rights of the account.
  const inheriting = version >= 160_000 ? 'WITH INHERIT TRUE, SET FALSE' : '';
  await client.query(`
    ALTER ROLE ${account} LOGIN INHERIT PASSWORD ${pg.escapeLiteral(scramVerifier(password))};
    -- The account may have changed its own settings, such as default_transaction_read_only.
    ALTER ROLE ${account} RESET ALL;
    ALTER ROLE ${account} IN DATABASE ${database} RESET ALL;
    -- Revoke rights that were granted to the account directly, not through the role.
    REVOKE ALL ON ALL TABLES IN SCHEMA ${schema} FROM ${account};
    REVOKE ALL ON ALL SEQUENCES IN SCHEMA ${schema} FROM ${account};
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ${schema} FROM ${account};
    REVOKE ALL ON SCHEMA ${schema} FROM ${account};
    REVOKE ALL ON DATABASE ${database} FROM ${account};
    GRANT latchkey_run_time TO ${account};
    -- As a member, the owner may terminate the account's sessions if they block a key's revocation.
    GRANT ${account} TO CURRENT_USER ${inheriting};
    -- The role does not get this right, because accounts for other databases are also its members.
    GRANT CONNECT ON DATABASE ${database} TO ${account};
  `);
  await refuseLoopholes(client, name);
}

/** Refuses an account with more rights than the run-time role has, such as a superuser. */
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
    throw new Error(
      `The account ${name} has more rights than the backend needs: choose another account.`,
    );
  }
}

/** Throws if every account may create tables. Only the database's owner can revoke this right. */
async function refuseLoopholes(client, name) {
  const { rows } = await client.query(
    `SELECT has_database_privilege($1, current_database(), 'TEMPORARY')
         OR has_schema_privilege($1, current_schema(), 'CREATE') AS is_open`,
    [name],
  );
  if (rows[0].is_open) {
    throw new Error(
      'Every account may create tables in this database: migrate with the owner of the database.',
    );
  }
}

/** Hashes the password as PostgreSQL does (RFC 5802), to keep it out of statement logs. */
function scramVerifier(password) {
  // ASCII only: clients normalize other passwords with SASLprep, but this function does not.
  if (!/^[\x21-\x7e]{16,}$/.test(password)) {
    throw new Error(
      'The password in RUN_TIME_DATABASE_URL must have 16 characters or more, only printable ASCII.',
    );
  }
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, 32, 'sha256');
  const hmac = (text) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${SCRAM_ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
