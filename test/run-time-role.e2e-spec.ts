import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { UsageRecorder } from '../src/usage/usage-recorder.js';
import { AlertReceiver } from './support/alert-receiver.js';
import { API_KEY, startApp, withKey } from './support/app.js';
import { DatabaseAttacker } from './support/database-attacker.js';
import { ADMITTED, REFUSED, issueKey, statusWith } from './support/keys.js';
import {
  type DividedDatabase,
  accountOf,
  createDividedDatabase,
  migrate,
  outcomeOf,
  runOnServer,
} from './support/run-time-role.js';
import { runStatements } from './support/run-statements.js';

const KEYS = '/api/internal/api-keys';
const USERS = '/api/internal/users';
const NOT_ALLOWED = '42501';
const CHECK_VIOLATION = '23514';

let database: DividedDatabase;
let receiver: AlertReceiver;
let app: NestFastifyApplication;
let url: string;

beforeAll(async () => {
  database = await createDividedDatabase();
  receiver = await AlertReceiver.start();
  app = await startApp({
    DATABASE_URL: database.runTimeUrl,
    ALERT_WEBHOOK_URL: receiver.url,
    ALERT_WEBHOOK_SECRET: 'a-secret-of-the-receiver',
    ALERT_SOURCE_FAILURES: '5',
    ALERT_QUIET_SECONDS: '2',
  });
  url = await app.getUrl();
});
afterAll(async () => {
  await app.close();
  await receiver.goDown();
  await database.drop();
});

function run(databaseUrl: string, command: 'keys' | 'audit', ...args: string[]) {
  return promisify(execFile)(process.execPath, ['dist/cli.js', command, ...args], {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'test',
      DATABASE_URL: databaseUrl,
      INTERNAL_API_KEY: API_KEY,
    },
  });
}

describe('the backend with the run-time role', () => {
  it('is ready', async () => {
    await request(url).get('/api/health/ready').expect(200);
  });

  it('issues one key for a repeated request', async () => {
    const create = () =>
      withKey(url)
        .post(KEYS)
        .set('Idempotency-Key', 'a-repeated-request')
        .send({ name: 'test', scopes: ['users:read'] });
    const first = await create().expect(201);
    const second = await create();
    expect(second.body.apiKey.id).toBe(first.body.apiKey.id);
    expect(await statusWith(url, first.body.secret)).toBe(ADMITTED);
  });

  it('rotates and revokes keys', async () => {
    const { id, secret } = await issueKey(url);
    const { body } = await withKey(url).post(`${KEYS}/${id}/rotate`).expect(201);
    expect(await statusWith(url, body.secret)).toBe(ADMITTED);
    await withKey(url).post(`${KEYS}/${id}/revoke`).send({ reason: 'test' }).expect(200);
    expect(await statusWith(url, secret)).toBe(REFUSED);
  });

  it('lists keys', async () => {
    const { body } = await withKey(url).get(KEYS).expect(200);
    expect(body.apiKeys.length).toBeGreaterThan(0);
  });

  it('creates, finds, changes and deletes users', async () => {
    const user = { email: 'ada@example.com', name: 'Ada Lovelace' };
    const { body } = await withKey(url).post(USERS).send(user).expect(201);
    const path = `${USERS}/${body.user.id}`;
    await withKey(url).post(`${USERS}/search`).send({ email: user.email }).expect(200);
    await withKey(url).patch(path).send({ name: 'Ada King' }).expect(200);
    await withKey(url).get(`${path}/accounts`).expect(200);
    await withKey(url).delete(path).expect(204);
    await withKey(url).get(path).expect(404);
  });

  it('records the usage of keys', async () => {
    const { id, secret } = await issueKey(url);
    await statusWith(url, secret);
    await app.get(UsageRecorder).flush();
    const { body } = await withKey(url).get(`${KEYS}/${id}/usage`).expect(200);
    expect(body.usage).toMatchObject({ requests: 1 });
  });

  it('stores alerts and delivers them to the receiver', async () => {
    for (let time = 0; time < 6; time++) await request(url).get(`${USERS}/1`).expect(401);
    const countAlerts = (status: 'firing' | 'resolved') =>
      receiver.of('repeated-failures', status).length;
    await expect.poll(() => countAlerts('firing'), { timeout: 30_000 }).toBe(1);
    await expect.poll(() => countAlerts('resolved'), { timeout: 30_000 }).toBe(1);
  });

  it('confirms that the audit trail is intact', async () => {
    const { stdout } = await run(database.runTimeUrl, 'audit', 'verify', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ faults: [], inconsistentKeys: [] });
    expect(JSON.parse(stdout).events).toBeGreaterThan(3);
  });
});

const INSERT_AUDIT_EVENT = `INSERT INTO audit_events (sequence, at, actor, action, subject, previous_hash, hash)
  VALUES (1000000, now(), 'nobody', 'create', 'k', '', '')`;

describe('the run-time role', () => {
  it.each([
    ['add a column', 'ALTER TABLE users ADD COLUMN spare TEXT'],
    ['drop a table', 'DROP TABLE accounts'],
    ['create a table', 'CREATE TABLE spare (id INT)'],
    ['create a temporary table', 'CREATE TEMPORARY TABLE audit_events (id INT)'],
    ['create a schema', 'CREATE SCHEMA spare'],
    ['create a function', `CREATE FUNCTION spare() RETURNS INT LANGUAGE sql AS 'SELECT 1'`],
    ['drop a trigger', 'DROP TRIGGER api_keys_audit ON api_keys'],
    [
      'add a trigger',
      'CREATE TRIGGER spare AFTER INSERT ON users EXECUTE FUNCTION refuse_change()',
    ],
    ['disable triggers', 'ALTER TABLE api_keys DISABLE TRIGGER USER'],
    ['truncate the users', 'TRUNCATE users CASCADE'],
    ['insert into the audit trail', INSERT_AUDIT_EVENT],
    ['reset the revisions of keys', `SELECT setval('api_keys_revision', 1)`],
    ['read the checksums of migrations', 'SELECT checksum FROM _prisma_migrations'],
    ['lock the audit trail', 'LOCK TABLE audit_lock IN EXCLUSIVE MODE'],
    ['append to the audit trail', `SELECT append_audit_event('create', 'k', NULL, '{}')`],
    ['consume revisions of keys', `SELECT nextval('api_keys_revision')`],
    ['change a balance', 'UPDATE accounts SET balance = 0'],
    ['delete accounts', 'DELETE FROM accounts'],
    ['delete the usage of keys', 'DELETE FROM api_key_usage'],
    ['delete the last uses of keys', 'DELETE FROM api_key_uses'],
    ['delete alerts', 'DELETE FROM alert_outbox'],
    ['delete incidents', 'DELETE FROM alert_episodes'],
    ['change an alert', `UPDATE alert_outbox SET body = '{}'`],
    ['change the id of a user', `UPDATE users SET id = 'another'`],
    ['insert an instance', `INSERT INTO instances (id) VALUES ('planted')`],
    ['post-date the heartbeat of an instance', `UPDATE instances SET last_seen_at = 'infinity'`],
    ['delete an instance', 'DELETE FROM instances'],
  ])('cannot %s, but the owner can', async (_case, statement) => {
    expect(await outcomeOf(database.runTimeUrl, statement)).toBe(NOT_ALLOWED);
    expect(await outcomeOf(database.ownerUrl, statement)).toBe('done');
  });

  it.each([
    ['truncate the audit trail', 'TRUNCATE audit_events'],
    ['change the audit trail', `UPDATE audit_events SET actor = 'nobody'`],
    ['delete from the audit trail', 'DELETE FROM audit_events'],
    ['delete a key', `DELETE FROM api_keys WHERE id NOT IN (SELECT predecessor_id FROM api_keys)`],
    ['change the digest of a key', `UPDATE api_keys SET digest = sha256(id::bytea)`],
    ['give a key more scopes', `UPDATE api_keys SET scopes = '{keys:write}'`],
    ['extend the lifetime of a key', 'UPDATE api_keys SET expires_at = now()'],
  ])('cannot %s, but the owner can once the triggers are disabled', async (_case, statement) => {
    const withoutTriggers = ['api_keys', 'audit_events'].map(
      (table) => `ALTER TABLE ${table} DISABLE TRIGGER USER`,
    );
    expect(await outcomeOf(database.runTimeUrl, statement)).toBe(NOT_ALLOWED);
    expect(await outcomeOf(database.ownerUrl, ...withoutTriggers, statement)).toBe('done');
  });

  it.each([
    ['password digests', 'SELECT rolpassword FROM pg_authid'],
    ['files of the server', `SELECT pg_read_file('PG_VERSION')`],
  ])('cannot read %s', async (_case, statement) => {
    expect(await outcomeOf(database.runTimeUrl, statement)).toBe(NOT_ALLOWED);
  });

  it.each(['SET session_replication_role = replica', `COPY users TO PROGRAM 'cat'`])(
    'cannot run: %s',
    async (statement) => {
      expect(await outcomeOf(database.runTimeUrl, statement)).toBe(NOT_ALLOWED);
    },
  );

  it('has no rights to a new table until a migration grants them', async () => {
    await runStatements(database.ownerUrl, [
      'CREATE TABLE later (id INT GENERATED BY DEFAULT AS IDENTITY)',
    ]);
    for (const statement of ['SELECT FROM later', 'INSERT INTO later DEFAULT VALUES']) {
      expect(await outcomeOf(database.runTimeUrl, statement)).toBe(NOT_ALLOWED);
    }
    await runStatements(database.ownerUrl, ['DROP TABLE later']);
  });

  it('cannot create large objects after a superuser runs the statement that the migration prints', async () => {
    const warnings = await migrate(database.ownerUrl, database.runTimeUrl);
    const [statement = ''] = /REVOKE EXECUTE ON FUNCTION lo_.* FROM PUBLIC;/.exec(warnings) ?? [];
    const superuserUrl = new URL(inject('databaseServerUrl'));
    superuserUrl.pathname = new URL(database.ownerUrl).pathname;
    await runStatements(superuserUrl.href, [statement]);
    for (const call of ['lo_create(0)', 'lo_creat(-1)', `lo_from_bytea(0, '')`]) {
      expect(await outcomeOf(database.runTimeUrl, `SELECT ${call}`)).toBe(NOT_ALLOWED);
    }
    expect(await migrate(database.ownerUrl, database.runTimeUrl)).not.toContain('large objects');
  });

  it('can change its own password and settings, which the next migration resets', async () => {
    const { ownerUrl, runTimeUrl } = database;
    await runStatements(runTimeUrl, [
      'ALTER ROLE CURRENT_USER SET default_transaction_read_only = on',
      `ALTER ROLE CURRENT_USER PASSWORD 'a-password-of-an-attacker'`,
    ]);
    await expect(outcomeOf(runTimeUrl, 'SELECT')).rejects.toThrow(/password authentication failed/);
    await migrate(ownerUrl, runTimeUrl);
    expect(await outcomeOf(runTimeUrl, 'DELETE FROM users')).toBe('done');
  });
});

describe('the database', () => {
  const insertKey = (id: string, createdAt: string, expiresAt: string) => `
    INSERT INTO api_keys (id, digest, hint, environment, name, scopes, created_by, created_at, expires_at)
    VALUES (${id}, sha256('forged'), '', 'test', 'forged', '{users:read}', 'nobody', ${createdAt}, ${expiresAt})`;
  const UUID = 'gen_random_uuid()';
  const IN_A_YEAR = `now() + interval '1 year'`;

  it('lets the run-time role insert a key with a UUID and a lifetime of a year', async () => {
    const statement = insertKey(UUID, 'now()', IN_A_YEAR);
    expect(await outcomeOf(database.runTimeUrl, statement)).toBe('done');
  });

  it.each([
    ['a key with a line feed in its id', insertKey(`E'k\nroot'`, 'now()', IN_A_YEAR)],
    [
      'a key with a lifetime of 100 years',
      insertKey(UUID, 'now()', `now() + interval '100 years'`),
    ],
    [
      'a key with a creation time 99 years in the future',
      insertKey(UUID, `now() + interval '99 years'`, `now() + interval '100 years'`),
    ],
    ['a key without an expiry', insertKey(UUID, 'now()', `'infinity'`)],
    ['a lower count of requests', 'UPDATE api_key_usage SET requests = 0'],
    ['an earlier last use', `UPDATE api_key_uses SET last_used_at = '-infinity'`],
    ['a line feed in the source of a last use', `UPDATE api_key_uses SET source = E'a\nb'`],
    [
      'a change of an incident that has ended',
      `UPDATE alert_episodes SET ended_at = '2000-01-01' WHERE ended_at IS NOT NULL`,
    ],
    [
      'a line feed in the name of a revoker',
      `UPDATE api_keys SET revoked_at = now(), revoked_by = E'a\nb' WHERE revoked_at IS NULL`,
    ],
  ])('prevents the run-time role from writing %s', async (_case, statement) => {
    expect(await outcomeOf(database.runTimeUrl, statement)).toBe(CHECK_VIOLATION);
  });

  it('replaces a last use in the future with the current time', async () => {
    // If no row has a time in the past, the SELECT divides by zero and fails.
    const statements = [
      `UPDATE api_key_uses SET last_used_at = 'infinity'`,
      'SELECT 1 / count(*) FROM api_key_uses WHERE last_used_at <= clock_timestamp()',
    ];
    expect(await outcomeOf(database.runTimeUrl, ...statements)).toBe('done');
  });

  it('does not purge an incident if the run-time role has backdated its end', async () => {
    // If the incident has been purged, the last SELECT divides by zero and fails.
    const statements = [
      `INSERT INTO alert_episodes (id, open_key, rule, subject, details, started_at, last_seen_at)
       VALUES (gen_random_uuid(), 'enumeration k', 'enumeration', 'k', '{}', now(), now())`,
      `UPDATE alert_episodes SET ended_at = '2000-01-01', open_key = NULL WHERE subject = 'k'`,
      'SELECT purge_alerts()',
      `SELECT 1 / count(*) FROM alert_episodes WHERE subject = 'k'`,
    ];
    expect(await outcomeOf(database.runTimeUrl, ...statements)).toBe('done');
  });

  it('protects the row of a running process from sessions that do not know the secret of the process', async () => {
    const statement = `SELECT record_heartbeat(id, repeat('0', 64), 'forged') FROM instances`;
    expect(await outcomeOf(database.runTimeUrl, statement)).toBe(NOT_ALLOWED);
    // If no row is left, the last SELECT divides by zero and fails.
    const removal = [
      `SELECT remove_instance(id, repeat('0', 64)) FROM instances`,
      'SELECT 1 / count(*) FROM instances',
    ];
    expect(await outcomeOf(database.runTimeUrl, ...removal)).toBe('done');
  });
});

describe('the run-time role during an update from the previous release', () => {
  const heartbeat = `INSERT INTO instances (id, last_seen_at) VALUES ('previous-release', now())
    ON CONFLICT (id) DO UPDATE SET last_seen_at = now()`;

  it('can write only the rows of the previous release in the table `instances`', async () => {
    const { ownerUrl, runTimeUrl } = database;
    await runStatements(ownerUrl, [heartbeat]);
    expect(await migrate(ownerUrl, runTimeUrl)).toContain('Migrate once more');
    await runStatements(runTimeUrl, [
      heartbeat,
      `UPDATE instances SET last_seen_at = 'infinity'`,
      `DELETE FROM instances WHERE id <> 'previous-release'`,
    ]);
    // The first SELECT divides by zero and fails if no row of a current process is left. The second
    // SELECT fails if the row of the previous release has a time in the future.
    expect(
      await outcomeOf(
        ownerUrl,
        `SELECT 1 / count(*) FROM instances WHERE secret_digest IS NOT NULL`,
        `SELECT 1 / (count(*) - 1) FROM instances WHERE last_seen_at > clock_timestamp()`,
      ),
    ).toBe('done');
    await runStatements(runTimeUrl, [`DELETE FROM instances WHERE id = 'previous-release'`]);
    expect(await migrate(ownerUrl, runTimeUrl)).not.toContain('Migrate once more');
    expect(await outcomeOf(runTimeUrl, heartbeat)).toBe(NOT_ALLOWED);
  });
});

describe('a temporary table with the name of the audit trail', () => {
  /**
   * Runs statements, creates the temporary table, and returns whether the audit trail still records
   * a revocation.
   */
  async function isRecorded(...before: string[]): Promise<boolean> {
    const { id } = await issueKey(url);
    // The SELECT divides by zero (22012) if the only recorded event is the creation of the key.
    const outcome = await outcomeOf(
      database.ownerUrl,
      ...before,
      'CREATE TEMPORARY TABLE audit_events (LIKE public.audit_events)',
      `UPDATE api_keys SET revoked_at = now(), revoked_by = 'nobody' WHERE id = '${id}'`,
      `SELECT 1 / (count(*) - 1)::int FROM public.audit_events WHERE subject = '${id}'`,
    );
    expect(outcome).toMatch(/^(done|22012)$/);
    return outcome === 'done';
  }

  it('intercepts no event, even in a session that may create the table', async () => {
    expect(await isRecorded()).toBe(true);
  });

  it('intercepts events if the trigger searches temporary tables first (control)', async () => {
    const appends = 'append_audit_event(TEXT, TEXT, TEXT, TEXT)';
    expect(await isRecorded(`ALTER FUNCTION ${appends} SET search_path TO public`)).toBe(false);
  });
});

describe('the command line with the account of the owner', () => {
  it('revokes a key although the run-time role locks the key and ends the sessions of the backend', async () => {
    const { id, secret } = await issueKey(url);
    const attacker = new DatabaseAttacker(database.runTimeUrl);
    await attacker.hold(`SELECT FROM api_keys WHERE id = '${id}' FOR UPDATE`);
    const stop = await attacker.repeat(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND application_name = 'latchkey'`,
    );
    const { stdout } = await run(database.ownerUrl, 'keys', 'revoke', id, '--json');
    expect(JSON.parse(stdout).revocation).toMatchObject({ confirmed: true, instances: 1 });
    await stop();
    await attacker.stop();
    await vi.waitFor(async () => expect(await statusWith(url, secret)).toBe(REFUSED));
  });
});

describe('the set-up of the roles', () => {
  it('can be repeated, even concurrently', async () => {
    const { ownerUrl, runTimeUrl } = database;
    await Promise.all([migrate(ownerUrl, runTimeUrl), migrate(ownerUrl, runTimeUrl)]);
    expect(await outcomeOf(runTimeUrl, INSERT_AUDIT_EVENT)).toBe(NOT_ALLOWED);
    expect(await statusWith(url, API_KEY)).toBe(ADMITTED);
  });

  it('connects to DIRECT_URL instead of DATABASE_URL if both are set', async () => {
    const { ownerUrl, runTimeUrl } = database;
    const unreachable = Object.assign(new URL(ownerUrl), { port: '1' }).href;
    await migrate(unreachable, runTimeUrl, { DIRECT_URL: ownerUrl });
  });

  it('changes the password of the run-time account', async () => {
    const renewed = new URL(database.runTimeUrl);
    renewed.password = 'another-password-of-it';
    await migrate(database.ownerUrl, renewed.href);
    expect(await outcomeOf(renewed.href, 'SELECT FROM users')).toBe('done');
    await migrate(database.ownerUrl, database.runTimeUrl);
  });

  it('revokes rights that the run-time account does not need', async () => {
    const account = accountOf(database.runTimeUrl);
    await runStatements(database.ownerUrl, [
      `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${account}`,
    ]);
    expect(await outcomeOf(database.runTimeUrl, INSERT_AUDIT_EVENT)).toBe('done');
    await migrate(database.ownerUrl, database.runTimeUrl);
    expect(await outcomeOf(database.runTimeUrl, INSERT_AUDIT_EVENT)).toBe(NOT_ALLOWED);
  });

  it('prevents the account of another database on the same server from connecting to this database', async () => {
    const name = `latchkey_other_${process.pid}`;
    await runOnServer(
      `CREATE ROLE ${name} LOGIN PASSWORD 'a-password-of-another'`,
      `GRANT latchkey_run_time TO ${name}`,
    );
    const foreign = new URL(database.runTimeUrl);
    foreign.username = name;
    foreign.password = 'a-password-of-another';
    await expect(outcomeOf(foreign.href, 'SELECT')).rejects.toThrow(
      /permission denied for database/,
    );
    await runOnServer(`DROP ROLE ${name}`);
  });

  it('explains why a URL is invalid, without quoting its password', async () => {
    const malformed = 'postgresql://latchkey:ca/na#ry@127.0.0.1:5432/latchkey';
    const failure = await migrate(database.ownerUrl, malformed).catch(String);
    expect(failure).toContain('RUN_TIME_DATABASE_URL is not a URL');
    expect(failure).not.toContain('ca/na');
  });

  it("refuses the owner's account as the run-time account", async () => {
    const { ownerUrl } = database;
    await expect(migrate(ownerUrl, ownerUrl)).rejects.toThrow(/needs its own account/);
  });

  it('refuses a run-time account with additional rights, such as CREATEDB', async () => {
    const account = accountOf(database.runTimeUrl);
    await runOnServer(`ALTER ROLE ${account} CREATEDB`);
    try {
      await expect(migrate(database.ownerUrl, database.runTimeUrl)).rejects.toThrow(/more rights/);
    } finally {
      await runOnServer(`ALTER ROLE ${account} NOCREATEDB`);
    }
  });

  it('refuses a weak password', async () => {
    const weak = new URL(database.runTimeUrl);
    weak.password = 'latchkey';
    await expect(migrate(database.ownerUrl, weak.href)).rejects.toThrow(/16 characters or more/);
  });

  it('refuses a database that belongs to another account', async () => {
    const name = new URL(database.ownerUrl).pathname.slice(1);
    const owner = accountOf(database.ownerUrl);
    await runStatements(database.ownerUrl, [`GRANT ALL ON SCHEMA public TO ${owner}`]);
    await runOnServer(
      `ALTER DATABASE ${name} OWNER TO ${accountOf(inject('databaseServerUrl'))}`,
      `GRANT CONNECT, TEMPORARY ON DATABASE ${name} TO PUBLIC`,
    );
    try {
      await expect(migrate(database.ownerUrl, database.runTimeUrl)).rejects.toThrow(
        /migrate with the owner of the database/,
      );
    } finally {
      await runOnServer(`ALTER DATABASE ${name} OWNER TO ${owner}`);
    }
  });
});
