import { Client } from 'pg';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { AuditService } from '../src/audit/audit.service.js';
import { startApp, withKey } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { issueKey } from './support/keys.js';
import { runStatements } from './support/run-statements.js';

const KEYS = '/api/internal/api-keys';

let database: TestDatabase;
let superuser: Client;
let audit: AuditService;
let url: string;
let stop: () => Promise<void>;

// One database per test, because a forged trail cannot be repaired.
beforeEach(async () => {
  await stop?.();
  database = await createTestDatabase();
  const variables = { DATABASE_URL: database.url };
  const app = await startApp(variables);
  superuser = new Client({ connectionString: database.url });
  await superuser.connect();
  audit = app.get(AuditService);
  url = await app.getUrl();
  stop = async () => {
    await app.close();
    await superuser.end();
    await database.drop();
  };
});
afterAll(() => stop());

/** Runs a statement without triggers, which requires the rights of a superuser. */
async function force(statement: string): Promise<void> {
  await superuser.query('SET session_replication_role = replica');
  await superuser.query(statement);
  await superuser.query('SET session_replication_role = origin');
}

async function makeHistory(): Promise<{ id: string; successorId: string }> {
  const { id } = await issueKey(url);
  const { body } = await withKey(url).post(`${KEYS}/${id}/rotate`).expect(201);
  await withKey(url).post(`${KEYS}/${id}/revoke`).send({ reason: 'test' }).expect(200);
  return { id, successorId: body.apiKey.id };
}

describe('the audit trail', () => {
  it('records the author of every change, and the key before and after the change', async () => {
    const { id, successorId } = await makeHistory();
    const events = [];
    for await (const event of audit.events()) events.push(event);
    expect(events.map(({ action, subject }) => [action, subject])).toEqual([
      ['create', id],
      ['succeed', successorId],
      ['rotate', id],
      ['revoke', id],
    ]);
    expect(events.every(({ actor }) => /^root_[0-9a-f]{8}$/.test(actor))).toBe(true);
    const { before, after } = events[3] ?? {};
    expect(JSON.parse(before ?? '')).toMatchObject({ id, revoked_at: null });
    expect(JSON.parse(after ?? '')).toMatchObject({ id, revocation_reason: 'test' });
    expect(`${before}${after}`).not.toContain('digest');
    expect(await audit.verify()).toMatchObject({ events: 4, faults: [], inconsistentKeys: [] });
  });

  it('includes changes made without the application', async () => {
    const { id } = await issueKey(url);
    await superuser.query(`UPDATE api_keys SET scopes = '{keys:write}' WHERE id = '${id}'`);
    const events = [];
    for await (const event of audit.events()) events.push(event);
    expect(events[1]).toMatchObject({ action: 'update', subject: id });
    expect(events[1]?.actor).toMatch(/^database:/);
    expect(await audit.verify()).toMatchObject({ faults: [], inconsistentKeys: [] });
  });

  it.each([
    `UPDATE audit_events SET actor = 'nobody'`,
    'DELETE FROM audit_events',
    'TRUNCATE audit_events',
    'DELETE FROM api_keys',
    'TRUNCATE api_keys CASCADE',
    'UPDATE api_keys SET revoked_at = NULL, revoked_by = NULL',
    `UPDATE api_keys SET digest = sha256('another')`,
    `UPDATE api_keys SET retires_at = now() + interval '1 year' WHERE rotated_at IS NOT NULL`,
  ])('is protected by the database from: %s', async (statement) => {
    await makeHistory();
    await expect(superuser.query(statement)).rejects.toThrow(/not allowed|cannot be/);
  });

  it.each([
    ['was changed', `UPDATE audit_events SET actor = 'nobody' WHERE sequence = 2`, [2]],
    ['is missing', 'DELETE FROM audit_events WHERE sequence = 2', [2]],
  ])(
    'reveals that an event %s, even if the triggers were disabled',
    async (_case, statement, expected) => {
      await makeHistory();
      await force(statement);
      const { faults } = await audit.verify();
      expect(faults.map(({ sequence }) => sequence)).toEqual(expected);
    },
  );

  it('reveals a missing last event, because its key then differs from the trail', async () => {
    const { id } = await makeHistory();
    await force('DELETE FROM audit_events WHERE sequence = 4');
    expect(await audit.verify()).toMatchObject({ faults: [], inconsistentKeys: [id] });
  });

  it('reveals a deletion of all events, because the keys and an earlier head then differ from the trail', async () => {
    await makeHistory();
    // The head is the number and the hash of the last event.
    const { head } = await audit.verify();
    await force('DELETE FROM audit_events');
    const report = await audit.verify(head);
    expect(report.inconsistentKeys).toHaveLength(2);
    expect(report.faults).toHaveLength(1);
  });

  it('reveals a key that was changed or deleted without an event', async () => {
    const { id } = await makeHistory();
    await force(`UPDATE api_keys SET scopes = '{keys:write}' WHERE id = '${id}'`);
    expect(await audit.verify()).toMatchObject({ inconsistentKeys: [id] });
    const other = await issueKey(url);
    await force(`DELETE FROM api_keys WHERE id = '${other.id}'`);
    expect((await audit.verify()).inconsistentKeys.toSorted()).toEqual([id, other.id].toSorted());
  });

  it('is verified page by page', async () => {
    await superuser.query(`INSERT INTO api_keys
      (id, name, digest, hint, environment, scopes, created_at, created_by, expires_at)
      SELECT '00000000-0000-7000-8000-' || lpad(n::text, 12, '0'), 'many', sha256(n::text::bytea), 'hint', 'test', '{users:read}', now(), 'test', now() + interval '1 day'
      FROM generate_series(1, 1201) n`);
    const [first, middle, last] = [1, 700, 1201].map(
      (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`,
    );
    const inconsistent = ['', first, middle, last];
    await force(
      `UPDATE api_keys SET scopes = '{keys:write}' WHERE id IN ('${first}', '${middle}')`,
    );
    await force(`DELETE FROM api_keys WHERE id = '${last}'`);
    await force(`INSERT INTO api_keys
      (id, name, digest, hint, environment, scopes, created_at, created_by, expires_at)
      VALUES ('', 'planted', sha256('x'), 'hint', 'test', '{users:read}', now(), 'test', now())`);
    expect(await audit.verify()).toMatchObject({
      events: 1201,
      faults: [],
      inconsistentKeys: inconsistent,
    });
  });

  it('is intact after 50 changes, 5 at a time', async () => {
    const issueTen = async () => {
      for (let issued = 0; issued < 10; issued++) await issueKey(url);
    };
    await Promise.all(Array.from({ length: 5 }, issueTen));
    expect(await audit.verify()).toMatchObject({ events: 50, faults: [], inconsistentKeys: [] });
  });
});

describe('the audit trail of users', () => {
  const USERS = '/api/internal/users';
  const ADA = { id: 'ada', email: 'ada@example.com', name: 'Ada Lovelace', roles: ['customer'] };

  async function runAsBackend(...statements: string[]): Promise<void> {
    await runStatements(database.runTimeUrl, ['BEGIN', ...statements, 'COMMIT']);
  }

  async function readEvents(): Promise<unknown[]> {
    const events: unknown[] = [];
    for await (const { actor, action, subject, before, after } of audit.events()) {
      events.push({ actor, action, subject, before, after: JSON.parse(after ?? 'null') });
    }
    return events;
  }

  it('records the author, the acting user and only the names of the changed fields', async () => {
    await runAsBackend(
      `SELECT set_config('latchkey.actor', 'a-key', true), set_config('latchkey.acting_user', 'bob', true)`,
      `INSERT INTO users (id, email, name, roles, updated_at) VALUES ('ada', 'ada@example.com', 'Ada', '{customer}', now())`,
    );
    await runAsBackend(
      `SELECT set_config('latchkey.actor', 'a-key', true)`,
      `UPDATE users SET name = 'Ada', roles = '{}', last_login_at = now(), updated_at = now()`,
      `UPDATE users SET updated_at = now() + interval '1 s'`,
    );
    await runAsBackend('DELETE FROM users');
    const common = { actor: 'a-key', subject: 'user:ada', before: null };
    expect(await readEvents()).toEqual([
      {
        ...common,
        action: 'user.create',
        after: { fields: ['email', 'name', 'roles'], actingUser: 'bob' },
      },
      {
        ...common,
        action: 'user.update',
        after: { fields: ['lastLoginAt', 'roles'], actingUser: null },
      },
      {
        ...common,
        actor: expect.stringMatching(/^database:/),
        action: 'user.delete',
        after: { fields: [], actingUser: null },
      },
    ]);
    expect(await audit.verify()).toMatchObject({ events: 3, faults: [], inconsistentKeys: [] });
  });

  it('forms one chain with the audit trail of keys', async () => {
    const app = await startApp({ DATABASE_URL: database.runTimeUrl });
    const backend = withKey(await app.getUrl());
    await Promise.all([makeHistory(), backend.post(USERS).send(ADA).expect(201), makeHistory()]);
    await backend.patch(`${USERS}/ada`).send({ phone: '+12025550123' }).expect(200);
    await app.close();
    expect(await audit.verify()).toMatchObject({ events: 10, faults: [], inconsistentKeys: [] });
  });

  it('records a bulk load by the owner of the tables only if the load names an actor', async () => {
    const load = `INSERT INTO users (id, email, name, updated_at) SELECT n, n, 'many', now() FROM CAST(gen_random_uuid() AS TEXT) AS n`;
    await superuser.query(load);
    expect(await readEvents()).toEqual([]);
    await runStatements(database.url, [`SET latchkey.actor = 'import'`, load]);
    expect(await readEvents()).toMatchObject([{ actor: 'import', action: 'user.create' }]);
  });

  it('cannot be switched off by the run-time role', async () => {
    const insert = `INSERT INTO users (id, email, name, updated_at) VALUES ('eve', 'eve', 'Eve', now())`;
    await runAsBackend(`SET latchkey.actor = ''`, 'SET CONSTRAINTS ALL DEFERRED', insert);
    expect(await readEvents()).toMatchObject([{ subject: 'user:eve' }]);
  });

  it('makes the creation of a user fail with 503 while another session locks the trail', async () => {
    const app = await startApp({ DATABASE_URL: database.runTimeUrl });
    await superuser.query('BEGIN');
    await superuser.query('LOCK TABLE audit_lock IN EXCLUSIVE MODE');
    const { body } = await withKey(await app.getUrl())
      .post(USERS)
      .send(ADA)
      .expect(503);
    expect(body).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true });
    await superuser.query('COMMIT');
    await withKey(await app.getUrl())
      .post(USERS)
      .send(ADA)
      .expect(201);
    await app.close();
  });
});

describe('GET /api/internal/audit', () => {
  const EVENTS = '/api/internal/audit/events';
  const VERIFICATION = '/api/internal/audit/verification';

  it('lists events in pages, with the names of their keys', async () => {
    const { id, successorId } = await makeHistory();
    const first = (await withKey(url).get(`${EVENTS}?limit=3`).expect(200)).body;
    expect(first.events).toMatchObject([
      { sequence: 1, action: 'create', subject: id, subjectName: 'test', before: null },
      { sequence: 2, action: 'succeed', subject: successorId },
      { sequence: 3, action: 'rotate', subject: id, after: { id } },
    ]);
    expect(JSON.stringify(first)).not.toContain('digest');
    const rest = await withKey(url).get(`${EVENTS}?cursor=${first.nextCursor}`).expect(200);
    expect(rest.body).toMatchObject({ events: [{ sequence: 4 }], nextCursor: null });
    const ofOne = await withKey(url).get(`${EVENTS}?subject=${successorId}`).expect(200);
    expect(ofOne.body.events).toHaveLength(1);
  });

  it('lists the changes that one key made, whatever the acting user', async () => {
    const manager = await issueKey(url, { name: 'manager', scopes: ['keys:write', 'users:read'] });
    const body = { name: 'issued', scopes: ['users:read'] };
    const issue = () => withKey(url, manager.secret).post(KEYS).send(body);
    await issue().set('X-Acting-User', 'alice@example.com').expect(201);
    await issue().expect(201);
    const byManager = await withKey(url).get(`${EVENTS}?actor=${manager.id}`).expect(200);
    expect(byManager.body.events).toMatchObject([
      { actor: `${manager.id}:alice@example.com`, actorName: 'manager' },
      { actor: manager.id, actorName: 'manager' },
    ]);
    const byName = await withKey(url).get(`${EVENTS}?actor=alice@example.com`).expect(200);
    expect(byName.body.events).toEqual([]);
    await issue().set('X-Acting-User', 'a name').expect(400);
  });

  it('verifies the trail, also against an earlier head', async () => {
    await makeHistory();
    const { body } = await withKey(url).get(VERIFICATION).expect(200);
    expect(body).toMatchObject({ events: 4, faults: [], inconsistentKeys: [] });
    await withKey(url).get(`${VERIFICATION}?head=${body.head}`).expect(200, body);
    const wrong = `1:${'0'.repeat(64)}`;
    const report = await withKey(url).get(`${VERIFICATION}?head=${wrong}`).expect(200);
    expect(report.body.faults).toMatchObject([{ sequence: 1 }]);
  });

  it('requires the scope audit:read and a valid query', async () => {
    const reader = await issueKey(url, { scopes: ['audit:read'] });
    const other = await issueKey(url, { scopes: ['keys:read', 'keys:write'] });
    for (const path of [EVENTS, VERIFICATION]) {
      await withKey(url, reader.secret).get(path).expect(200);
      await withKey(url, other.secret).get(path).expect(403);
      await withKey(url, 'wrong').get(path).expect(401);
      await withKey(url, reader.secret).get(`${path}?head=x&cursor=x`).expect(400);
    }
  });
});
