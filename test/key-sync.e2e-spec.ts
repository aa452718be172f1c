import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeySync } from '../src/api-keys/key-sync/key-sync.js';
import { IssuedKeyCache } from '../src/api-keys/issued-key-cache.js';
import { UsageRecorder } from '../src/usage/usage-recorder.js';
import { EarlyRetirement } from '../src/api-keys/early-retirement.js';
import { API_KEY, startApp, withKey } from './support/app.js';
import { DatabaseAttacker } from './support/database-attacker.js';
import { DatabaseProxy } from './support/database-proxy.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { ADMITTED, REFUSED, issueKey, statusWith } from './support/keys.js';
import { StatementRecorder } from './support/statement-recorder.js';

const KEYS = '/api/internal/api-keys';
const KEY_SYNC = 'latchkey-key-sync';
const UNAVAILABLE = 503;
const WAIT = { timeout: 9000, interval: 100 };
const RECONCILIATION_WAIT = { timeout: 20_000, interval: 200 };

let database: TestDatabase;
let proxy: DatabaseProxy;
let superuser: Client;
/** Two instances on one database. `far` connects to the database through `proxy`. */
let near: NestFastifyApplication;
let far: NestFastifyApplication;
let nearUrl: string;
let farUrl: string;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await DatabaseProxy.start(database.url);
  near = await startApp({ DATABASE_URL: database.runTimeUrl });
  far = await startApp({ DATABASE_URL: proxy.url });
  [nearUrl, farUrl] = [await near.getUrl(), await far.getUrl()];
  superuser = new Client({ connectionString: database.url });
  await superuser.connect();
});
afterEach(async () => {
  proxy.restore();
  await vi.waitFor(() => expect(far.get(KeySync).lagMs).toBeLessThan(1500), WAIT);
});
afterAll(async () => {
  await superuser.end();
  await near.close();
  await far.close();
  await proxy.stop();
  await database.drop();
});

async function revoke(url: string, id: string) {
  const { body } = await withKey(url).post(`${KEYS}/${id}/revoke`).expect(200);
  return body.revocation;
}

/** Changes rows while triggers are disabled, so that the database sends no notification. */
async function changeWithoutTriggers(statement: string): Promise<void> {
  await superuser.query('SET session_replication_role = replica');
  await superuser.query(statement);
  await superuser.query('SET session_replication_role = origin');
}

describe('a key that one process has issued', () => {
  it('is admitted by all processes as soon as the client receives the secret', async () => {
    for (let made = 0; made < 10; made++) {
      const { secret } = await issueKey(nearUrl);
      expect(await statusWith(farUrl, secret)).toBe(ADMITTED);
    }
  });
});

describe('a key that one process has revoked', () => {
  it('is refused by all processes as soon as the client receives the response to the revocation', async () => {
    for (let made = 0; made < 10; made++) {
      const { id, secret } = await issueKey(nearUrl);
      expect(await revoke(farUrl, id)).toMatchObject({ confirmed: true, instances: 2 });
      expect(await statusWith(nearUrl, secret)).toBe(REFUSED);
      expect(await statusWith(farUrl, secret)).toBe(REFUSED);
    }
  });
});

describe('a process that receives no more changes', () => {
  it('leaves a revocation unconfirmed, and refuses all issued keys within 5 s', async () => {
    const { id, secret } = await issueKey(nearUrl);
    const other = await issueKey(nearUrl);
    proxy.silence(KEY_SYNC);
    const revocation = await revoke(nearUrl, id);
    expect(revocation).toEqual({
      confirmed: false,
      instances: 1,
      silentInstances: 1,
      effectiveAfterMs: null,
    });
    expect(await statusWith(nearUrl, secret)).toBe(REFUSED);
    await vi.waitFor(async () => expect(await statusWith(farUrl, secret)).toBe(UNAVAILABLE), WAIT);
    const { body, headers } = await withKey(farUrl, other.secret)
      .get('/api/internal/users/1')
      .expect(UNAVAILABLE);
    expect(body).toMatchObject({ code: 'KEYS_UNAVAILABLE', retryable: true });
    expect(headers['retry-after']).toBe('1');
    expect(await statusWith(farUrl, API_KEY)).toBe(ADMITTED);
    await withKey(farUrl).get('/api/health/ready').expect(503);
  });

  it('applies the missed changes as soon as it reconnects', async () => {
    const { id, secret } = await issueKey(nearUrl);
    const kept = await issueKey(nearUrl);
    proxy.silence(KEY_SYNC);
    await revoke(nearUrl, id);
    proxy.restore();
    proxy.cut(KEY_SYNC);
    await vi.waitFor(async () => expect(await statusWith(farUrl, secret)).toBe(REFUSED), WAIT);
    expect(await statusWith(farUrl, kept.secret)).toBe(ADMITTED);
  });

  it('admits a valid key while it reconnects', async () => {
    const { secret } = await issueKey(nearUrl);
    proxy.cut(KEY_SYNC);
    for (let attempt = 0; attempt < 40; attempt++) {
      expect(await statusWith(farUrl, secret)).toBe(ADMITTED);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
});

describe('a key sync connection that breaks while it reads a change', () => {
  it('is replaced, even if the change arrived while the connection was starting', async () => {
    await superuser.query('BEGIN');
    await superuser.query('LOCK TABLE api_keys');
    const waitsForLock = proxy.waitForQuery(KEY_SYNC, 'FROM api_keys WHERE id > $1');
    proxy.cut(KEY_SYNC);
    await waitsForLock;
    await superuser.query(`
      INSERT INTO api_keys (id, digest, hint, environment, name, scopes, created_by, expires_at)
      VALUES ('019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90', sha256('meanwhile'), '', 'test', '', '{users:read}', '', now() + interval '1 h')`);
    const readsChange = proxy.waitForQuery(KEY_SYNC, 'FROM api_keys WHERE id = ANY');
    await superuser.query('COMMIT');
    await readsChange;
    proxy.cut(KEY_SYNC);
    const cutAt = performance.now();
    const syncedAt = () => performance.now() - far.get(KeySync).lagMs;
    await vi.waitFor(() => expect(syncedAt()).toBeGreaterThan(cutAt), WAIT);
  });
});

describe('a change without a notification', () => {
  it('is detected by a comparison of the key cache with the database', async () => {
    const { id, secret } = await issueKey(nearUrl);
    await changeWithoutTriggers(
      `UPDATE api_keys SET revoked_at = now(), revoked_by = 'somebody', revision = nextval('api_keys_revision') WHERE id = '${id}'`,
    );
    await vi.waitFor(
      async () => expect(await statusWith(nearUrl, secret)).toBe(REFUSED),
      RECONCILIATION_WAIT,
    );
  });

  it('is detected even if it deleted the row', async () => {
    const { id, secret } = await issueKey(nearUrl);
    const kept = await issueKey(nearUrl);
    await changeWithoutTriggers(`DELETE FROM api_keys WHERE id = '${id}'`);
    await vi.waitFor(
      async () => expect(await statusWith(nearUrl, secret)).toBe(REFUSED),
      RECONCILIATION_WAIT,
    );
    expect(await statusWith(nearUrl, kept.secret)).toBe(ADMITTED);
  });
});

describe('a process that starts', () => {
  it('has loaded all pages of keys when it begins to accept connections', async () => {
    await changeWithoutTriggers(`
      INSERT INTO api_keys (id, digest, hint, environment, name, scopes, created_by, expires_at, revision)
      SELECT 'many-' || n, sha256(n::text::bytea), '', 'test', '', '{users:read}', '', now() + interval '1 h',
             nextval('api_keys_revision')
      FROM generate_series(1, 5001) AS n`);
    const { secret } = await issueKey(nearUrl);
    const starting = await startApp({ DATABASE_URL: database.runTimeUrl });
    expect(await statusWith(await starting.getUrl(), secret)).toBe(ADMITTED);
    expect(starting.get(IssuedKeyCache, { strict: false }).fingerprint.count).toBe(
      Number((await superuser.query('SELECT count(*) FROM api_keys')).rows[0].count),
    );
    await starting.close();
  });
});

describe('a process that has shut down gracefully', () => {
  it('does not delay changes of keys, and has saved the last uses of keys', async () => {
    const leaving = await startApp({ DATABASE_URL: database.runTimeUrl });
    const { id, secret } = await issueKey(nearUrl);
    await withKey(await leaving.getUrl(), secret)
      .get('/api/internal/users/1')
      .set('User-Agent', 'leaver/1');
    await leaving.close();
    const { body } = await withKey(nearUrl).get(`${KEYS}/${id}`);
    expect(body.apiKey.lastUse.client).toBe('leaver/1');
    expect(await revoke(nearUrl, id)).toMatchObject({ confirmed: true, instances: 2 });
  });
});

describe('a process that was killed', () => {
  it('leaves revocations unconfirmed for 5 s', async () => {
    await superuser.query(`INSERT INTO instances (id, last_seen_at) VALUES ('killed', now())`);
    const first = await issueKey(nearUrl);
    expect(await revoke(nearUrl, first.id)).toMatchObject({ confirmed: false, silentInstances: 1 });
    await superuser.query(
      `UPDATE instances SET last_seen_at = now() - interval '5 s' WHERE id = 'killed'`,
    );
    const second = await issueKey(nearUrl);
    expect(await revoke(nearUrl, second.id)).toMatchObject({ confirmed: true, instances: 2 });
  });
});

describe('an attacker with the run-time role', () => {
  const FORGED_SECRET = 'f'.repeat(64);
  let attacker: Client;
  beforeEach(async () => {
    attacker = await new DatabaseAttacker(database.runTimeUrl).connect();
  });
  afterEach(() => attacker.end());

  /** Sends heartbeats for a forged instance until the returned function is called. */
  async function forgeHeartbeats(id: string, proof: string): Promise<() => void> {
    const heartbeat = () =>
      attacker.query('SELECT record_heartbeat($1, $2, $3)', [id, FORGED_SECRET, proof]);
    await heartbeat();
    // The session may end while a heartbeat is in flight.
    const timer = setInterval(() => void heartbeat().catch(() => undefined), 500);
    return () => clearInterval(timer);
  }

  it('cannot acknowledge a revocation for a process that has not received it', async () => {
    const { id, secret } = await issueKey(nearUrl);
    const acknowledgements: string[] = [];
    attacker.on('notification', ({ payload = '' }) => acknowledgements.push(payload));
    await attacker.query('LISTEN latchkey_key_acknowledgements');
    const other = await issueKey(nearUrl);
    await revoke(nearUrl, other.id);
    await vi.waitUntil(() => acknowledgements.length >= 4);
    const { rows: instances } = await attacker.query('SELECT id FROM instances');
    proxy.silence(KEY_SYNC);
    // Forges acknowledgements for each instance: one without a signature, and one with each
    // signature from the earlier acknowledgements.
    const forging = setInterval(() => {
      const forged = attacker.query(
        `SELECT pg_notify('latchkey_key_acknowledgements', payload)
         FROM api_keys CROSS JOIN unnest($1::text[]) AS instance (id) CROSS JOIN unnest($2::text[]) AS signature (text)
         CROSS JOIN LATERAL (SELECT concat_ws(' ', instance.id, api_keys.id, revision) AS message) AS plain
         CROSS JOIN LATERAL (VALUES (message), ('acknowledgement ' || message || ' ' || signature.text)) AS forged (payload)
         WHERE api_keys.id = $3`,
        [
          instances.map((row) => row.id),
          acknowledgements.map((text) => text.split(' ').at(-1)),
          id,
        ],
      );
      void forged.catch(() => undefined);
    }, 50);
    const revocation = await revoke(nearUrl, id);
    clearInterval(forging);
    expect(revocation).toMatchObject({ confirmed: false, instances: 1, silentInstances: 1 });
    expect(await statusWith(nearUrl, secret)).toBe(REFUSED);
  });

  it.each(['Infinity', '1e300'])(
    'cannot use the forged heartbeat %s to make a disconnected process admit keys',
    async (forged) => {
      const recorder = await StatementRecorder.start(proxy.url);
      const cutOff = await startApp({ DATABASE_URL: recorder.url });
      const url = await cutOff.getUrl();
      const { id, secret } = await issueKey(nearUrl);
      expect(await statusWith(url, secret)).toBe(ADMITTED);
      const channels = [...recorder.statements].map(
        (text) => /^LISTEN (\w*beat\w*)/.exec(text)?.[1],
      );
      for (const channel of channels.filter((name) => name !== undefined)) {
        await attacker.query('SELECT pg_notify($1, $2)', [channel, forged]);
      }
      await statusWith(url, secret);
      proxy.silence(KEY_SYNC);
      expect(await revoke(nearUrl, id)).toMatchObject({ confirmed: false });
      await vi.waitFor(async () => expect(await statusWith(url, secret)).toBe(UNAVAILABLE), WAIT);
      proxy.restore();
      await vi.waitFor(async () => expect(await statusWith(url, secret)).toBe(REFUSED), WAIT);
      await cutOff.close();
      await recorder.stop();
    },
  );

  it('cannot insert instances to keep revocations unconfirmed', async () => {
    await vi.waitUntil(async () => (await countLive()) === 2, WAIT);
    const leaving = await startApp({ DATABASE_URL: database.runTimeUrl });
    const { rows } = await attacker.query('SELECT id, proof FROM instances');
    await leaving.close();
    const { rows: remaining } = await attacker.query('SELECT id FROM instances');
    const ended = rows.find((row) => remaining.every(({ id }) => id !== row.id));
    const forgeries = [
      await forgeHeartbeats('0123456789abcdef', 'forged'),
      await forgeHeartbeats(ended.id, ended.proof),
    ];
    const { id, secret } = await issueKey(nearUrl);
    const revocation = await revoke(nearUrl, id);
    for (const stop of forgeries) stop();
    expect(revocation).toMatchObject({ confirmed: true, instances: 2, silentInstances: 0 });
    // A forged row looks like a process with other root keys, whose acknowledgements cannot be
    // verified. So the response waits 5 s: by then, such a process would refuse the key.
    expect(revocation.effectiveAfterMs).toBeGreaterThanOrEqual(5000);
    expect(await statusWith(farUrl, secret)).toBe(REFUSED);
    await vi.waitUntil(async () => (await countLive()) === 2, WAIT);
  });

  async function countLive(): Promise<number> {
    const { rows } = await attacker.query(
      `SELECT count(*)::int AS live FROM instances WHERE last_seen_at > now() - interval '5 s'`,
    );
    return rows[0].live;
  }
});

describe('a process with other root keys', () => {
  it('refuses a revoked key before the revocation is confirmed', async () => {
    const other = await startApp({
      DATABASE_URL: database.runTimeUrl,
      INTERNAL_API_KEY: '0a1c2e4b6d8f7053942b6a8c0e1d3f57',
    });
    const { id, secret } = await issueKey(nearUrl);
    const revocation = await revoke(nearUrl, id);
    expect(revocation).toMatchObject({ confirmed: true, instances: 2 });
    expect(revocation.effectiveAfterMs).toBeGreaterThanOrEqual(5000);
    expect(await statusWith(await other.getUrl(), secret)).toBe(REFUSED);
    await other.close();
  });
});

describe('a rotated key with retireAfterQuietSeconds', () => {
  async function rotateNewKey(): Promise<{ id: string; successor: string }> {
    const { id } = await issueKey(nearUrl);
    const { body } = await withKey(nearUrl)
      .post(`${KEYS}/${id}/rotate`)
      .send({ retireAfterQuietSeconds: 60 })
      .expect(201);
    return { id, successor: body.secret };
  }
  /** Backdates the rotation, lets idle keys retire, and returns the status of the key. */
  const keyStatusAfter = async (id: string, seconds: number) => {
    await superuser.query(
      `UPDATE api_keys SET rotated_at = now() - ${seconds} * interval '1 s' WHERE id = '${id}'`,
    );
    await near.get(EarlyRetirement).run();
    const { body } = await withKey(nearUrl).get(`${KEYS}/${id}`);
    return body.apiKey.status;
  };

  it('retires once its successor is in use', async () => {
    const { id, successor } = await rotateNewKey();
    expect(await keyStatusAfter(id, 61)).toBe('retiring');
    await statusWith(nearUrl, successor);
    await near.get(UsageRecorder).flush();
    expect(await keyStatusAfter(id, 59)).toBe('retiring');
    expect(await keyStatusAfter(id, 61)).toBe('retired');
  });

  it('does not retire while it is still used', async () => {
    const { id, successor } = await rotateNewKey();
    await statusWith(nearUrl, successor);
    await near.get(UsageRecorder).flush();
    await superuser.query(
      `INSERT INTO api_key_uses VALUES ('${id}', now() - interval '50 s', '127.0.0.1', NULL)`,
    );
    expect(await keyStatusAfter(id, 61)).toBe('retiring');
  });
});
