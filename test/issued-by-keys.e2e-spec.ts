import { setTimeout as sleep } from 'node:timers/promises';
import { hash } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateApiKey } from '../src/api-keys/api-key-format.js';
import { startApp, withKey } from './support/app.js';
import { type TestDatabase, createTestDatabase } from './support/database.js';
import { ADMITTED, type IssuedTestKey, REFUSED, issueKey, statusWith } from './support/keys.js';

const KEYS = '/api/internal/api-keys';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MANAGER = { scopes: ['users:read', 'keys:read', 'keys:write'] };
const DEFAULT_RATE_LIMIT = 600;

let database: TestDatabase;
let superuser: Client;
/** Two applications on one database. */
let apps: readonly NestFastifyApplication[];
let url: string;
let otherUrl: string;

beforeAll(async () => {
  database = await createTestDatabase();
  const variables = {
    DATABASE_URL: database.runTimeUrl,
    KEY_RATE_LIMIT: String(DEFAULT_RATE_LIMIT),
  };
  apps = [await startApp(variables), await startApp(variables)];
  [url = '', otherUrl = ''] = await Promise.all(apps.map((app) => app.getUrl()));
  superuser = new Client({ connectionString: database.url });
  await superuser.connect();
});
afterAll(async () => {
  await superuser.end();
  await Promise.all(apps.map((app) => app.close()));
  await database.drop();
});

function fromNow(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}

/** Issues a key with another key as the caller. */
function issueBy(caller: IssuedTestKey, fields: object = {}): Promise<IssuedTestKey> {
  return issueKey(url, { ...fields }, caller.secret);
}

/** Like `issueBy`, but accepts any response. */
function requestKey({ secret }: IssuedTestKey, fields: object) {
  return withKey(url, secret)
    .post(KEYS)
    .send({ name: 'requested', scopes: ['users:read'], ...fields });
}

async function rotate(id: string, fields: object = {}, caller?: IssuedTestKey) {
  const { body } = await withKey(url, caller?.secret)
    .post(`${KEYS}/${id}/rotate`)
    .send(fields)
    .expect(201);
  return { id: body.apiKey.id, secret: body.secret, apiKey: body.apiKey };
}

async function show({ id }: Pick<IssuedTestKey, 'id'>) {
  const { body } = await withKey(url).get(`${KEYS}/${id}`).expect(200);
  return body.apiKey;
}

async function revoke({ id }: Pick<IssuedTestKey, 'id'>, fields: object = {}) {
  const { body } = await withKey(url).post(`${KEYS}/${id}/revoke`).send(fields).expect(200);
  return body;
}

/** The statuses of a request with the key to each of the two applications. */
function statusesWith({ secret }: IssuedTestKey): Promise<number[]> {
  return Promise.all([statusWith(url, secret), statusWith(otherUrl, secret)]);
}

async function budgetsOf({ id }: Pick<IssuedTestKey, 'id'>): Promise<unknown> {
  const { rows } = await superuser.query('SELECT budgets FROM api_keys WHERE id = $1', [id]);
  return rows[0].budgets;
}

describe('the lifetime of a key that another key issues', () => {
  it('cannot exceed the lifetime of its issuer', async () => {
    const issuer = await issueKey(url, { ...MANAGER, expiresAt: fromNow(60_000) });
    const { body } = await requestKey(issuer, { expiresAt: fromNow(366 * DAY_MS - 5000) }).expect(
      403,
    );
    expect(body).toMatchObject({ code: 'GRANT_EXCEEDS_CALLER', errors: [{ path: 'expiresAt' }] });
  });

  it('defaults to the rest of the issuer’s lifetime if that is shorter than 90 days', async () => {
    const expiresAt = fromNow(60_000);
    const issued = await issueBy(await issueKey(url, { ...MANAGER, expiresAt }));
    expect(await show(issued)).toMatchObject({ expiresAt, lineageEndsAt: expiresAt });
    const longLived = await issueKey(url, { ...MANAGER, expiresAt: fromNow(200 * DAY_MS) });
    const { createdAt, expiresAt: end } = await show(await issueBy(longLived));
    expect(Date.parse(end) - Date.parse(createdAt)).toBe(90 * DAY_MS);
  });

  it('cannot exceed the grace period of a rotated issuer', async () => {
    const issuer = await issueKey(url, MANAGER);
    await rotate(issuer.id, { gracePeriodSeconds: 600 });
    const { retiresAt } = await show(issuer);
    expect(await show(await issueBy(issuer))).toMatchObject({ expiresAt: retiresAt });
    await requestKey(issuer, { expiresAt: fromNow(HOUR_MS) }).expect(403);
  });
});

describe('the lineage of a key', () => {
  it('ends 366 days after a root key creates or rotates the key', async () => {
    const created = await show(await issueKey(url));
    const lifetime = Date.parse(created.lineageEndsAt) - Date.parse(created.createdAt);
    expect(lifetime).toBe(366 * DAY_MS);
    const { apiKey } = await rotate(created.id);
    expect(Date.parse(apiKey.lineageEndsAt) - Date.parse(apiKey.createdAt)).toBe(366 * DAY_MS);
  });

  it('is not prolonged when the key rotates itself', async () => {
    const issuer = await issueKey(url, { ...MANAGER, expiresAt: fromNow(HOUR_MS) });
    const issued = await issueBy(issuer, MANAGER);
    const { lineageEndsAt } = await show(issued);
    const refusal = await withKey(url, issued.secret)
      .post(`${KEYS}/${issued.id}/rotate`)
      .send({ expiresAt: fromNow(2 * HOUR_MS) })
      .expect(400);
    expect(refusal.body.errors).toEqual([
      { path: 'expiresAt', message: expect.stringContaining(lineageEndsAt) },
    ]);
    const { apiKey } = await rotate(issued.id, {}, issued);
    expect(apiKey).toMatchObject({ expiresAt: lineageEndsAt, lineageEndsAt });
  });

  it('is not prolonged when a root key rotates a key that an issued key has created', async () => {
    const issuer = await issueKey(url, { ...MANAGER, expiresAt: fromNow(HOUR_MS) });
    const { id } = await issueBy(issuer);
    const { lineageEndsAt } = await show({ id });
    const { apiKey } = await rotate(id);
    expect(apiKey).toMatchObject({ expiresAt: lineageEndsAt, lineageEndsAt });
    const again = withKey(url).post(`${KEYS}/${apiKey.id}/rotate`);
    await again.send({ expiresAt: fromNow(2 * HOUR_MS) }).expect(400);
  });

  it('ends at the same time as the lineage of the issued key that rotates the key', async () => {
    const issuer = await issueKey(url, { ...MANAGER, expiresAt: fromNow(HOUR_MS) });
    const manager = await issueBy(issuer, MANAGER);
    const { lineageEndsAt } = await show(manager);
    const { apiKey } = await rotate((await issueKey(url)).id, {}, manager);
    expect(apiKey).toMatchObject({ expiresAt: lineageEndsAt, lineageEndsAt });
  });

  it('ends 366 days after the creation of the key if an earlier release created it', async () => {
    const secret = generateApiKey('test');
    const createdAt = new Date(Date.now() - 365 * DAY_MS);
    await superuser.query(
      `INSERT INTO api_keys (id, digest, hint, environment, name, scopes, created_by, created_at, expires_at)
       VALUES (gen_random_uuid(), decode($1, 'hex'), '', 'test', 'earlier', '{users:read,keys:read,keys:write}',
               'root_00000000', $2, now() + interval '2 days')`,
      [hash('sha256', secret), createdAt],
    );
    await expect.poll(() => statusWith(url, secret)).toBe(ADMITTED);
    const { rows } = await superuser.query(`SELECT id FROM api_keys WHERE name = 'earlier'`);
    const end = new Date(createdAt.getTime() + 366 * DAY_MS).toISOString();
    expect(await show(rows[0])).toMatchObject({ lineageEndsAt: end });
    const { apiKey } = await rotate(rows[0].id, {}, { id: rows[0].id, secret });
    expect(apiKey).toMatchObject({ expiresAt: end, lineageEndsAt: end });
  });

  it('cannot be changed in the database, and neither can the budgets', async () => {
    const { id } = await issueKey(url);
    const change = (assignment: string) =>
      superuser.query(`UPDATE api_keys SET ${assignment} WHERE id = '${id}'`);
    await expect(change('lineage_ends_at = now()')).rejects.toThrow(/cannot be changed/);
    await expect(change(`budgets = '[]'`)).rejects.toThrow(/cannot be changed/);
  });
});

describe('the rate limit of a key that another key issues', () => {
  it.each([
    ['a much higher limit', 10_000_000],
    ['a slightly higher limit', 4],
    ['the default, which is higher', undefined],
  ])('cannot exceed the rate limit of its issuer: %s', async (_case, rateLimit) => {
    const issuer = await issueKey(url, { ...MANAGER, rateLimit: 3 });
    const { body } = await requestKey(issuer, { rateLimit }).expect(403);
    expect(body).toMatchObject({ code: 'GRANT_EXCEEDS_CALLER', errors: [{ path: 'rateLimit' }] });
    await requestKey(issuer, { rateLimit: 3 }).expect(201);
  });

  it('cannot exceed the server’s default if the issuer has no limit of its own', async () => {
    const issuer = await issueKey(url, MANAGER);
    await requestKey(issuer, { rateLimit: DEFAULT_RATE_LIMIT + 1 }).expect(403);
    await requestKey(issuer, { rateLimit: DEFAULT_RATE_LIMIT }).expect(201);
    await requestKey(issuer, {}).expect(201);
  });
});

describe('the budgets of a key', () => {
  it('are its own budget and the budgets of its issuers, and its successor shares them', async () => {
    const first = await issueKey(url, { ...MANAGER, rateLimit: 100 });
    const second = await issueBy(first, { ...MANAGER, rateLimit: 50 });
    const third = await issueBy(second, { rateLimit: 20 });
    expect(await budgetsOf(first)).toBeNull();
    const budgets = [
      { keyId: third.id, rateLimit: 20 },
      { keyId: second.id, rateLimit: 50 },
      { keyId: first.id, rateLimit: 100 },
    ];
    expect(await budgetsOf(third)).toEqual(budgets);
    const successor = await rotate(third.id);
    expect(await budgetsOf(successor)).toEqual(budgets);
    expect(await budgetsOf(await rotate(successor.id, {}, second))).toEqual(budgets);
  });

  it('consist of its predecessor’s budget if a root key created both keys', async () => {
    const { id } = await issueKey(url);
    expect(await budgetsOf(await rotate(id))).toEqual([{ keyId: id }]);
  });
});

describe('a revocation', () => {
  /**
   * `top` has issued the keys in `issued`, some of them indirectly. `renewed` replaces a key that
   * `middle` issued. A root key created `renewed`, so revoking `top` leaves `renewed` active.
   */
  async function makeTree() {
    const top = await issueKey(url, MANAGER);
    const middle = await issueBy(top, { ...MANAGER, name: 'middle' });
    const leaf = await issueBy(middle, { name: 'leaf' });
    const successor = await rotate((await issueBy(top)).id, {}, middle);
    const renewed = await rotate((await issueBy(middle)).id, { gracePeriodSeconds: 0 });
    return { top, issued: [middle, leaf, successor], renewed };
  }

  it('applies to all keys that the revoked key has issued, in every process, before the response', async () => {
    const { top, issued, renewed } = await makeTree();
    const { apiKey, revokedKeys, activeIssuedKeys, revocation } = await revoke(top, {
      reason: 'it leaked',
    });
    for (const key of [top, ...issued]) {
      expect(await statusesWith(key)).toEqual([REFUSED, REFUSED]);
    }
    expect(apiKey).toMatchObject({ status: 'revoked', revocationReason: 'it leaked' });
    expect(revokedKeys).toEqual(
      expect.arrayContaining(issued.map(({ id }) => ({ id, name: expect.any(String) }))),
    );
    // The predecessor of `successor` is in its grace period, and is revoked too.
    expect(revokedKeys).toHaveLength(issued.length + 1);
    expect(activeIssuedKeys).toEqual([]);
    expect(revocation).toMatchObject({ confirmed: true, instances: 2 });
    const { revocationReason } = await show(issued[1] ?? top);
    expect(revocationReason).toBe(`it leaked (revoked together with key ${top.id})`);
    expect(await statusesWith(renewed)).toEqual([ADMITTED, ADMITTED]);
  });

  it('leaves the issued keys active on request, and names them', async () => {
    const { top, issued } = await makeTree();
    // The response must not name this key, because it is not active.
    await revoke(await issueBy(top, { name: 'already revoked' }));
    const { revokedKeys, activeIssuedKeys } = await revoke(top, { keepIssuedKeys: true });
    expect(revokedKeys).toEqual([]);
    expect(activeIssuedKeys).toContainEqual({ id: issued[0]?.id, name: 'middle' });
    expect(activeIssuedKeys).toHaveLength(issued.length + 1);
    for (const key of issued) expect(await statusesWith(key)).toEqual([ADMITTED, ADMITTED]);

    const { revokedKeys: later, revocation } = await revoke(top);
    expect(later).toHaveLength(issued.length + 1);
    expect(revocation).toMatchObject({ confirmed: true, instances: 2 });
    for (const key of issued) expect(await statusesWith(key)).toEqual([REFUSED, REFUSED]);
  });

  it('is confirmed again for all keys when it is repeated', async () => {
    const { top } = await makeTree();
    await revoke(top);
    expect(await revoke(top)).toMatchObject({
      revokedKeys: [],
      activeIssuedKeys: [],
      revocation: { confirmed: true, instances: 2 },
    });
  });

  it('applies to indirectly issued keys even if their issuer has retired', async () => {
    const top = await issueKey(url, MANAGER);
    const middle = await issueBy(top, MANAGER);
    const leaf = await issueBy(middle);
    await rotate(middle.id, { gracePeriodSeconds: 0 });
    expect(await statusesWith(leaf)).toEqual([ADMITTED, ADMITTED]);
    const { revokedKeys } = await revoke(top);
    expect(revokedKeys).toEqual([{ id: leaf.id, name: 'test' }]);
    expect(await statusesWith(leaf)).toEqual([REFUSED, REFUSED]);
  });

  it('applies to thousands of keys', async () => {
    const top = await issueKey(url, MANAGER);
    await superuser.query(
      `INSERT INTO api_keys (id, digest, hint, environment, name, scopes, created_by, expires_at)
       SELECT gen_random_uuid(), sha256(convert_to($1 || n, 'UTF8')), '', 'test', 'many', '{users:read}',
              CASE WHEN n = 1 THEN $1 ELSE $2 END, now() + interval '1 h'
       FROM generate_series(1, 2500) AS n`,
      [top.id, top.id],
    );
    const { revokedKeys } = await revoke(top);
    expect(revokedKeys).toHaveLength(2500);
    const { rows } = await superuser.query(
      `SELECT FROM api_keys WHERE name = 'many' AND revoked_at IS NULL`,
    );
    expect(rows).toEqual([]);
  });

  it('applies to a key that is being created', async () => {
    const top = await issueKey(url, MANAGER);
    const middle = await issueBy(top, MANAGER);
    // The table lock blocks writes but not row locks. The creation therefore waits after it has
    // locked the row of its caller.
    await superuser.query('BEGIN');
    await superuser.query('LOCK TABLE api_keys IN SHARE MODE');
    const creation = Promise.resolve(requestKey(middle, {}));
    await sleep(150);
    const revocation = withKey(otherUrl).post(`${KEYS}/${top.id}/revoke`).send({});
    const revoked = Promise.resolve(revocation);
    await sleep(50);
    await superuser.query('COMMIT');
    const { status, body: created } = await creation;
    const { body } = await revoked;
    const revokedIds = body.revokedKeys.map(({ id }: { id: string }) => id);
    // On a slow machine the creation fails: a revocation that has waited for 300 ms ends the
    // transactions that block it.
    const isCreated = status === 201;
    expect(revokedIds).toEqual(isCreated ? [middle.id, created.apiKey.id] : [middle.id]);
    const secrets = isCreated ? [created.secret] : [];
    const statuses = await Promise.all(secrets.map((secret) => statusWith(url, secret)));
    expect(statuses).toEqual(secrets.map(() => REFUSED));
  });

  it('leaves no concurrently created key active', async () => {
    for (let round = 0; round < 5; round++) {
      const top = await issueKey(url, MANAGER);
      const middle = await issueBy(top, MANAGER);
      const creations = [url, otherUrl, url, otherUrl].map((origin) =>
        withKey(origin, middle.secret)
          .post(KEYS)
          .send({ name: 'race', scopes: ['users:read'] }),
      );
      const [, ...responses] = await Promise.all([
        sleep(round * 5).then(() => revoke(top)),
        ...creations,
      ]);
      const secrets = responses.flatMap(({ body }) => body.secret ?? []);
      const statuses = await Promise.all(secrets.map((secret) => statusWith(url, secret)));
      expect(statuses).toEqual(secrets.map(() => REFUSED));
      const { rows } = await superuser.query(
        'SELECT FROM api_keys WHERE created_by = $1 AND revoked_at IS NULL',
        [middle.id],
      );
      expect(rows).toEqual([]);
    }
  });
});

describe('the keys that can manage keys', () => {
  it('cannot all be revoked by one of them, even indirectly', async () => {
    await superuser.query(
      `UPDATE api_keys SET revoked_at = now(), revoked_by = 'the test'
       WHERE 'keys:write' = ANY(scopes) AND revoked_at IS NULL`,
    );
    const top = await issueKey(url, MANAGER);
    const middle = await issueBy(top, MANAGER);
    const revokeTop = (fields: object) =>
      withKey(url, middle.secret).post(`${KEYS}/${top.id}/revoke`).send(fields);
    const { body } = await revokeTop({}).expect(409);
    expect(body.code).toBe('LAST_WAY_IN');
    await revokeTop({ keepIssuedKeys: true }).expect(200);
    expect(await statusesWith(middle)).toEqual([ADMITTED, ADMITTED]);
  });

  it('can be revoked by an issuer that remains active', async () => {
    const top = await issueKey(url, MANAGER);
    const middle = await issueBy(top, MANAGER);
    await withKey(url, top.secret).post(`${KEYS}/${middle.id}/revoke`).send({}).expect(200);
  });
});
