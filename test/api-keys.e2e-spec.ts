import { setTimeout as sleep } from 'node:timers/promises';
import { Test } from '@nestjs/testing';
import { validatedConfig } from '@latchkey/environment/config-module';
import { afterAll, describe, expect, inject, it, vi } from 'vitest';
import { parseApiKey } from '../src/api-keys/api-key-format.js';
import { ApiKeysModule } from '../src/api-keys/api-keys.module.js';
import { ApiKeysService } from '../src/api-keys/api-keys.service.js';
import { SCOPES } from '../src/api-keys/scopes.js';
import { parseEnvironment } from '../src/config/environment.js';
import { PrismaModule } from '../src/prisma/prisma.module.js';
import { UsageRecorder } from '../src/usage/usage-recorder.js';
import { API_KEY, TEST_ENVIRONMENT, useApp, withKey } from './support/app.js';
import { createTestDatabase } from './support/database.js';
import { ADMITTED, REFUSED, issueKey, statusWith } from './support/keys.js';

const KEYS = '/api/internal/api-keys';
const DAY_MS = 86_400_000;
const UNKNOWN_ID = '01a2121f-9309-7787-bbd6-16f4ac6aefb1';

const app = useApp();
const root = () => withKey(app.url);

function inDays(days: number): string {
  return new Date(Date.now() + days * DAY_MS).toISOString();
}

describe('POST /api/internal/api-keys', () => {
  it('returns the key with its secret, which no later response contains', async () => {
    const { body } = await root()
      .post(KEYS)
      .send({
        name: 'mcp-server',
        scopes: ['users:read', 'accounts:read'],
        readFields: ['name', 'email'],
        writeFields: ['phone'],
        networks: ['127.0.0.0/8', '::1'],
        rateLimit: 600,
        note: 'for the tests',
      })
      .expect(201);
    expect(parseApiKey(body.secret)).toBe('test');
    expect(body.apiKey).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'mcp-server',
      hint: `${body.secret.slice(0, 'lk_test_'.length + 4)}…`,
      environment: 'test',
      status: 'active',
      scopes: ['users:read', 'accounts:read'],
      readFields: ['email', 'name'],
      writeFields: ['phone'],
      networks: ['127.0.0.0/8', '::1/128'],
      rateLimit: 600,
      note: 'for the tests',
      createdAt: expect.any(String),
      createdBy: expect.stringMatching(/^root_[0-9a-f]{8}$/),
      expiresAt: expect.any(String),
      lineageEndsAt: expect.any(String),
      predecessorId: null,
      successorId: null,
      rotatedAt: null,
      retiresAt: null,
      retireAfterQuietSeconds: null,
      revokedAt: null,
      revokedBy: null,
      revocationReason: null,
      lastUse: null,
    });
    const { body: shown } = await root().get(`${KEYS}/${body.apiKey.id}`).expect(200);
    expect(shown).toEqual({ apiKey: body.apiKey });
    expect(JSON.stringify(shown)).not.toContain(body.secret);
  });

  it('creates a key that expires after 90 days by default', async () => {
    const { id } = await issueKey(app.url);
    const { body } = await root().get(`${KEYS}/${id}`);
    const days = (Date.parse(body.apiKey.expiresAt) - Date.parse(body.apiKey.createdAt)) / DAY_MS;
    expect(days).toBe(90);
  });

  it('stores only the digest of the secret', async () => {
    const { id, secret } = await issueKey(app.url);
    const row = await app.prisma.apiKey.findUniqueOrThrow({ where: { id } });
    const text = JSON.stringify(row, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    expect(text).not.toContain(secret.slice('lk_test_'.length + 5));
    expect(row.digest).toHaveLength(32);
  });

  it.each([
    ['no name', { name: undefined }],
    ['an empty name', { name: ' ' }],
    ['no scope', { scopes: [] }],
    ['an unknown scope', { scopes: ['users:all'] }],
    ['a scope twice', { scopes: ['users:read', 'users:read'] }],
    ['an empty list of fields to read', { readFields: [] }],
    ['a field that cannot be read', { readFields: ['digest'] }],
    ['the id as a field to read', { readFields: ['id'] }],
    ['an empty list of fields to write', { writeFields: [] }],
    ['a field that cannot be written', { writeFields: ['createdAt'] }],
    ['an invalid network', { networks: ['10.0.0.0/33'] }],
    ['a rate limit of 0', { rateLimit: 0 }],
    ['an expiry in the past', { expiresAt: inDays(-1) }],
    ['an expiry in more than a year', { expiresAt: inDays(367) }],
    ['null as the expiry', { expiresAt: null }],
    ['an unknown property', { digest: 'x' }],
  ])('refuses a request with %s', async (_case, fields) => {
    const { body } = await root()
      .post(KEYS)
      .send({ name: 'bad', scopes: ['users:read'], ...fields })
      .expect(400);
    expect(body.code).toBe('INVALID_REQUEST');
  });

  describe('with an Idempotency-Key', () => {
    const input = { name: 'once', scopes: ['users:read'] };
    const create = (idempotencyKey: string, fields = {}, secret = API_KEY) =>
      withKey(app.url, secret)
        .post(KEYS)
        .set('Idempotency-Key', idempotencyKey)
        .send({ ...input, ...fields });

    it('creates one key for two requests, and shows its secret once', async () => {
      const { body: first } = await create('a').expect(201);
      const { body: second } = await create('a').expect(201);
      expect(second.apiKey.id).toBe(first.apiKey.id);
      expect(first.secret).not.toBeNull();
      expect(second.secret).toBeNull();
    });

    it('creates one key for ten concurrent requests', async () => {
      const responses = await Promise.all(
        Array.from({ length: 10 }, () => create('b').expect(201)),
      );
      expect(new Set(responses.map(({ body }) => body.apiKey.id)).size).toBe(1);
      expect(responses.filter(({ body }) => body.secret !== null)).toHaveLength(1);
    });

    it('refuses a different request with the same Idempotency-Key', async () => {
      await create('c').expect(201);
      const { body } = await create('c', { name: 'another' }).expect(422);
      expect(body.code).toBe('IDEMPOTENCY_KEY_REUSED');
    });

    it('creates another key if another caller sends the same Idempotency-Key', async () => {
      const manager = await issueKey(app.url, { scopes: ['users:read', 'keys:write'] });
      const { body: first } = await create('d').expect(201);
      const { body: second } = await create('d', {}, manager.secret).expect(201);
      expect(second.apiKey.id).not.toBe(first.apiKey.id);
    });

    it('creates a key if the first request was refused', async () => {
      await create('e', { scopes: [] }).expect(400);
      await create('e').expect(201);
    });

    it('creates another key if the first request is more than a day old', async () => {
      const { body: first } = await create('f').expect(201);
      await app.prisma.idempotentRequest.updateMany({
        data: { createdAt: new Date(Date.now() - DAY_MS - 1000) },
      });
      const { body: second } = await create('f').expect(201);
      expect(second.apiKey.id).not.toBe(first.apiKey.id);
    });

    it('refuses an empty or too long Idempotency-Key', async () => {
      await create('').expect(400);
      const { body } = await create('x'.repeat(256)).expect(400);
      expect(body.errors[0].path).toBe('Idempotency-Key');
    });
  });
});

describe('an issued key', () => {
  it('is admitted immediately, with its own scopes only', async () => {
    const { secret } = await issueKey(app.url);
    expect(await statusWith(app.url, secret)).toBe(ADMITTED);
    const { body } = await withKey(app.url, secret)
      .get('/api/internal/users/1/accounts')
      .expect(403);
    expect(body).toMatchObject({ code: 'INSUFFICIENT_SCOPE', requiredScope: 'accounts:read' });
  });

  it('cannot list or create keys if its only scope is users:read', async () => {
    const client = withKey(app.url, (await issueKey(app.url)).secret);
    await client.get(KEYS).expect(403);
    await client
      .post(KEYS)
      .send({ name: 'granted', scopes: ['users:read'] })
      .expect(403);
  });

  it('is refused after its expiry', async () => {
    const expiresAt = new Date(Date.now() + 1500);
    const { secret, id } = await issueKey(app.url, { expiresAt: expiresAt.toISOString() });
    expect(await statusWith(app.url, secret)).toBe(ADMITTED);
    await vi.waitFor(async () => expect(await statusWith(app.url, secret)).toBe(REFUSED), 5000);
    // The server estimates the database's time from the last heartbeat. The estimate is ahead by
    // the latency of this heartbeat, so the key may expire slightly early.
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt.getTime() - 100);
    const { body } = await root().get(`${KEYS}/${id}`);
    expect(body.apiKey.status).toBe('expired');
  });

  it.each([3_600_000, -3_600_000])(
    'expires by the database’s clock even if the machine’s clock is off by %i ms',
    async (offsetMs) => {
      const alive = await issueKey(app.url, { expiresAt: inDays(0.02) });
      const dead = await issueKey(app.url, {
        expiresAt: new Date(Date.now() + 300).toISOString(),
      });
      await new Promise((resolve) => setTimeout(resolve, 350));
      const { now } = Date;
      const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + offsetMs);
      try {
        expect(await statusWith(app.url, alive.secret)).toBe(ADMITTED);
        expect(await statusWith(app.url, dead.secret)).toBe(REFUSED);
      } finally {
        clock.mockRestore();
      }
    },
  );

  it('is refused by a server for another environment', async () => {
    const { secret } = await issueKey(app.url);
    expect(await statusWith(app.url, secret.replace('lk_test', 'lk_live'))).toBe(REFUSED);
    await app.prisma.$executeRaw`
      INSERT INTO api_keys (id, digest, hint, environment, name, scopes, created_by, expires_at)
      VALUES ('019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90', sha256('lk_live_0000000000000000000000000000002KXur2'), '', 'live', '',
              '{users:read}', '', now() + interval '1 day')`;
    expect(await statusWith(app.url, 'lk_live_0000000000000000000000000000002KXur2')).toBe(REFUSED);
  });

  it('is refused if one character differs', async () => {
    const { secret } = await issueKey(app.url);
    const changed = secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0');
    expect(await statusWith(app.url, changed)).toBe(REFUSED);
  });

  it('shows the time, source and client of its last use', async () => {
    const { id, secret } = await issueKey(app.url);
    await withKey(app.url, secret).get('/api/internal/users/1').set('User-Agent', 'tester/1.2 (x)');
    await app.nest.get(UsageRecorder).flush();
    const { body } = await root().get(`${KEYS}/${id}`);
    expect(body.apiKey.lastUse).toEqual({
      at: expect.any(String),
      source: '127.0.0.1',
      client: 'tester/1.2',
    });
    expect(Date.now() - Date.parse(body.apiKey.lastUse.at)).toBeLessThan(10_000);
  });
});

describe('a key with keys:write', () => {
  const scopes = ['users:read', 'keys:read', 'keys:write'];
  const create = (secret: string, fields: object) =>
    withKey(app.url, secret)
      .post(KEYS)
      .send({ name: 'granted', scopes: ['users:read'], ...fields });

  it('cannot grant a scope that it does not have', async () => {
    const { secret } = await issueKey(app.url, { scopes });
    await create(secret, {}).expect(201);
    const { body } = await create(secret, { scopes: ['users:read', 'users:write'] }).expect(403);
    expect(body.code).toBe('GRANT_EXCEEDS_CALLER');
    expect(body.errors).toEqual([
      { path: 'scopes', message: 'the caller does not have the scope users:write' },
    ]);
  });

  it.each(['readFields', 'writeFields'])(
    'cannot grant fields beyond its own: %s',
    async (fields) => {
      const { secret } = await issueKey(app.url, { scopes, [fields]: ['name'] });
      await create(secret, { [fields]: ['name'] }).expect(201);
      await create(secret, { [fields]: ['name', 'phone'] }).expect(403);
      const { body } = await create(secret, {}).expect(403);
      expect(body.errors).toMatchObject([{ path: fields }]);
    },
  );

  it('cannot grant networks beyond its own', async () => {
    const { secret } = await issueKey(app.url, { scopes, networks: ['127.0.0.0/8'] });
    await create(secret, { networks: ['127.1.0.0/16'] }).expect(201);
    await create(secret, { networks: ['127.1.0.0/16', '10.0.0.0/8'] }).expect(403);
    await create(secret, {}).expect(403);
  });

  it('cannot rotate a key with more rights, because the response contains the new secret', async () => {
    const { secret } = await issueKey(app.url, { scopes });
    const stronger = await issueKey(app.url, { scopes: ['users:write'] });
    const { body } = await withKey(app.url, secret)
      .post(`${KEYS}/${stronger.id}/rotate`)
      .expect(403);
    expect(body.code).toBe('GRANT_EXCEEDS_CALLER');
  });
});

describe('GET /api/internal/api-keys', () => {
  it('returns each key once over all pages', async () => {
    for (let made = 0; made < 3; made++) await issueKey(app.url);
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const { body } = await root().get(`${KEYS}?limit=2${cursor}`).expect(200);
      seen.push(...body.apiKeys.map(({ id }: { id: string }) => id));
      if (body.nextCursor === null) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBe(await app.prisma.apiKey.count());
  });

  it('refuses an invalid cursor', async () => {
    await root().get(`${KEYS}?cursor=x`).expect(400);
  });

  it('returns 404 for a key that does not exist, and 400 for a malformed id', async () => {
    const { body } = await root().get(`${KEYS}/${UNKNOWN_ID}`).expect(404);
    expect(body.code).toBe('API_KEY_NOT_FOUND');
    await root().get(`${KEYS}/x`).expect(400);
  });
});

describe('POST …/rotate', () => {
  it('creates a successor with the same restrictions, and keeps the old key valid for the grace period', async () => {
    const limits = { readFields: ['name'], writeFields: ['phone'], networks: ['127.0.0.0/8'] };
    const old = await issueKey(app.url, { ...limits, rateLimit: 600 });
    const { body } = await root()
      .post(`${KEYS}/${old.id}/rotate`)
      .send({ gracePeriodSeconds: 3600, retireAfterQuietSeconds: 60 })
      .expect(201);
    const { apiKey, secret, predecessor } = body;
    expect(apiKey).toMatchObject({
      name: 'test',
      ...limits,
      rateLimit: 600,
      predecessorId: old.id,
      status: 'active',
    });
    expect(predecessor).toMatchObject({
      id: old.id,
      status: 'retiring',
      successorId: apiKey.id,
      retireAfterQuietSeconds: 60,
    });
    expect(Date.parse(predecessor.retiresAt) - Date.parse(predecessor.rotatedAt)).toBe(3_600_000);
    expect(await statusWith(app.url, old.secret)).toBe(ADMITTED);
    expect(await statusWith(app.url, secret)).toBe(ADMITTED);
  });

  it('announces the deprecation and sunset of the old key to its callers', async () => {
    const old = await issueKey(app.url);
    const { body } = await root().post(`${KEYS}/${old.id}/rotate`).expect(201);
    const { rotatedAt, retiresAt } = body.predecessor;
    await vi.waitFor(async () => {
      const { headers } = await withKey(app.url, old.secret).get('/api/internal/users/1');
      expect(headers.deprecation).toBe(`@${Math.floor(Date.parse(rotatedAt) / 1000)}`);
      expect(headers.sunset).toBe(new Date(retiresAt).toUTCString());
    }, 10_000);
    const { headers } = await withKey(app.url, body.secret).get('/api/internal/users/1');
    expect(headers.deprecation).toBeUndefined();
    expect(headers.sunset).toBeUndefined();
  });

  it('refuses the old key after the grace period', async () => {
    const old = await issueKey(app.url);
    await root().post(`${KEYS}/${old.id}/rotate`).send({ gracePeriodSeconds: 0 }).expect(201);
    await vi.waitFor(
      async () => expect(await statusWith(app.url, old.secret)).toBe(REFUSED),
      10_000,
    );
    const { body } = await root().get(`${KEYS}/${old.id}`);
    expect(body.apiKey.status).toBe('retired');
  });

  it('creates one successor for ten concurrent requests', async () => {
    const { id } = await issueKey(app.url);
    const responses = await Promise.all(
      Array.from({ length: 10 }, () => root().post(`${KEYS}/${id}/rotate`)),
    );
    expect(responses.filter(({ status }) => status === 201)).toHaveLength(1);
    const refusals = responses.filter(({ status }) => status !== 201);
    expect(refusals.map(({ body }) => body.code)).toEqual(
      Array.from({ length: 9 }, () => 'API_KEY_ALREADY_ROTATED'),
    );
    expect(await app.prisma.apiKey.count({ where: { predecessorId: id } })).toBe(1);
  });

  it('refuses a revoked key, an unknown key and a negative grace period', async () => {
    const { id } = await issueKey(app.url);
    await root().post(`${KEYS}/${id}/revoke`).expect(200);
    const { body } = await root().post(`${KEYS}/${id}/rotate`).expect(409);
    expect(body.code).toBe('API_KEY_NOT_ACTIVE');
    await root().post(`${KEYS}/${UNKNOWN_ID}/rotate`).expect(404);
    await root().post(`${KEYS}/${id}/rotate`).send({ gracePeriodSeconds: -1 }).expect(400);
  });
});

describe('POST …/revoke', () => {
  it('confirms the revocation as soon as every instance refuses the key', async () => {
    const { id, secret } = await issueKey(app.url);
    expect(await statusWith(app.url, secret)).toBe(ADMITTED);
    const { body } = await root()
      .post(`${KEYS}/${id}/revoke`)
      .send({ reason: 'it leaked' })
      .expect(200);
    expect(await statusWith(app.url, secret)).toBe(REFUSED);
    expect(body.revocation).toEqual({
      confirmed: true,
      instances: 1,
      silentInstances: 0,
      effectiveAfterMs: expect.any(Number),
    });
    expect(body.apiKey).toMatchObject({ status: 'revoked', revocationReason: 'it leaked' });
  });

  it('confirms the revocation again when repeated', async () => {
    const { id } = await issueKey(app.url);
    const { body: first } = await root().post(`${KEYS}/${id}/revoke`).send({ reason: 'a' });
    const { body: second } = await root().post(`${KEYS}/${id}/revoke`).send({ reason: 'b' });
    expect(second.apiKey).toEqual(first.apiKey);
    expect(second.revocation).toMatchObject({ confirmed: true, instances: 1 });
  });

  it('cannot be undone by a concurrent rotation', async () => {
    for (let round = 0; round < 10; round++) {
      const { id, secret } = await issueKey(app.url);
      await Promise.all([
        root().post(`${KEYS}/${id}/rotate`),
        root().post(`${KEYS}/${id}/revoke`).expect(200),
      ]);
      expect(await statusWith(app.url, secret)).toBe(REFUSED);
      const { body } = await root().get(`${KEYS}/${id}`);
      expect(body.apiKey.status).toBe('revoked');
    }
  });

  it('returns 404 for a key that does not exist', async () => {
    await root().post(`${KEYS}/${UNKNOWN_ID}/revoke`).expect(404);
  });
});

describe('a key that is revoked while its request waits for a lock', () => {
  it.each(['', '/rotate', '/revoke'])(
    'cannot change keys by POST /api/internal/api-keys%s',
    async (action) => {
      const caller = await issueKey(app.url, { scopes: ['keys:write', 'users:read'] });
      const other = await issueKey(app.url);
      const client = withKey(app.url, caller.secret);
      const path = action === '' ? KEYS : `${KEYS}/${other.id}${action}`;
      const body = action === '' ? { name: 'late', scopes: ['users:read'] } : {};
      const { pending } = await app.prisma.$transaction(async (transaction) => {
        await transaction.apiKey.update({
          where: { id: caller.id },
          data: { revokedAt: new Date(), revokedBy: 'the test' },
        });
        // The key check admits the key, because the revocation is uncommitted. The change then
        // waits for the lock that the revocation holds on the row.
        const sent = Promise.resolve(client.post(path).send(body));
        await sleep(200);
        return { pending: sent };
      });
      expect((await pending).body.code).toBe('INVALID_API_KEY');
      expect(await statusWith(app.url, other.secret)).toBe(ADMITTED);
    },
  );
});

describe('the last issued key that can manage keys', () => {
  it('cannot revoke itself, even if its retiring predecessor can manage keys too', async () => {
    await app.prisma.apiKey.updateMany({
      where: { scopes: { has: 'keys:write' }, revokedAt: null },
      data: { revokedAt: new Date(), revokedBy: 'the test' },
    });
    const { id } = await issueKey(app.url, { scopes: ['keys:write'] });
    const { body: rotated } = await root().post(`${KEYS}/${id}/rotate`).send({}).expect(201);
    const asSuccessor = withKey(app.url, rotated.secret);
    const { body } = await asSuccessor.post(`${KEYS}/${rotated.apiKey.id}/revoke`).expect(409);
    expect(body.code).toBe('LAST_WAY_IN');
    await asSuccessor.post(`${KEYS}/${id}/revoke`).expect(200);
  });

  it('can be revoked by a root key, but not by an issued key', async () => {
    await app.prisma.apiKey.updateMany({
      where: { scopes: { has: 'keys:write' }, revokedAt: null },
      data: { revokedAt: new Date(), revokedBy: 'the test' },
    });
    const first = await issueKey(app.url, { scopes: ['keys:write'] });
    const second = await issueKey(app.url, { scopes: ['keys:write'] });
    const asFirst = withKey(app.url, first.secret);
    await asFirst.post(`${KEYS}/${second.id}/revoke`).expect(200);
    const { body } = await asFirst.post(`${KEYS}/${first.id}/revoke`).expect(409);
    expect(body.code).toBe('LAST_WAY_IN');
    await root().post(`${KEYS}/${first.id}/revoke`).expect(200);
  });

  it('remains when two keys revoke each other concurrently', async () => {
    const keys = [
      await issueKey(app.url, { scopes: ['keys:write'] }),
      await issueKey(app.url, { scopes: ['keys:write'] }),
    ] as const;
    const responses = await Promise.all([
      withKey(app.url, keys[0].secret).post(`${KEYS}/${keys[1].id}/revoke`),
      withKey(app.url, keys[1].secret).post(`${KEYS}/${keys[0].id}/revoke`),
    ]);
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200, 401]));
  });
});

describe('POST …/check', () => {
  const check = (apiKey: string, address = '127.0.0.1', caller = API_KEY) =>
    withKey(app.url, caller).post(`${KEYS}/check`).send({ apiKey, address });

  it('returns the result of the server’s key check', async () => {
    const { id, secret } = await issueKey(app.url, { networks: ['10.0.0.0/8'] });
    const outcomes = [
      [await check(secret, '10.1.2.3'), { outcome: 'admitted', keyId: id }],
      [await check(secret), { outcome: 'foreign-network', keyId: id }],
      [await check(secret.slice(0, -1)), { outcome: 'malformed', keyId: null }],
      [await check('wrong'), { outcome: 'unknown', keyId: null }],
      [await check(''), { outcome: 'missing', keyId: null }],
    ] as const;
    for (const [response, verdict] of outcomes) {
      expect(response).toMatchObject({ status: 200, body: verdict });
    }
    expect((await check(API_KEY)).body.keyId).toMatch(/^root_/);
    await root().post(`${KEYS}/${id}/revoke`).expect(200);
    expect((await check(secret, '10.1.2.3')).body).toEqual({ outcome: 'revoked', keyId: id });
  });

  it('requires the scope keys:read, a key and an IP address', async () => {
    const reader = await issueKey(app.url, { scopes: ['keys:read'] });
    const other = await issueKey(app.url, { scopes: ['keys:write'] });
    await check('x', '127.0.0.1', reader.secret).expect(200);
    await check('x', '127.0.0.1', other.secret).expect(403);
    await check('x', '127.0.0.1', 'wrong').expect(401);
    const { body } = await check('x', 'localhost').expect(400);
    expect(body.errors).toEqual([{ path: 'address', message: 'must be an IP address' }]);
  });
});

describe('GET /api/internal/root-keys', () => {
  it('shows the root key and the time of its last use', async () => {
    await root().get('/api/internal/users/1').set('User-Agent', 'tester/2');
    await app.nest.get(UsageRecorder).flush();
    const { body } = await root().get('/api/internal/root-keys').expect(200);
    expect(body.rootKeys).toEqual([
      {
        id: expect.stringMatching(/^root_[0-9a-f]{8}$/),
        current: true,
        deprecatedSince: null,
        lastUse: { at: expect.any(String), source: '127.0.0.1', client: 'tester/2' },
      },
    ]);
  });
});

describe('a key with networks', () => {
  it('is admitted only from these networks', async () => {
    const here = await issueKey(app.url, { networks: ['127.0.0.1/32'] });
    const elsewhere = await issueKey(app.url, { networks: ['10.0.0.0/8'] });
    expect(await statusWith(app.url, here.secret)).toBe(ADMITTED);
    expect(await statusWith(app.url, elsewhere.secret)).toBe(REFUSED);
  });

  it('is refused even if an untrusted client sends an allowed address in a header', async () => {
    const { secret } = await issueKey(app.url, { networks: ['10.0.0.0/8'] });
    for (const header of ['X-Forwarded-For', 'Forwarded', 'X-Real-IP']) {
      const { status } = await withKey(app.url, secret)
        .get('/api/internal/users/1')
        .set(header, '10.1.2.3');
      expect(status).toBe(REFUSED);
    }
  });
});

describe('behind a trusted proxy', () => {
  const proxied = useApp({ TRUSTED_PROXIES: '127.0.0.0/8, 192.0.2.0/24' });

  it.each([
    ['10.1.2.3', ADMITTED],
    ['10.1.2.3, 192.0.2.9', ADMITTED],
    ['10.1.2.3, 198.51.100.1', REFUSED],
    ['10.1.2.3, 198.51.100.1, 192.0.2.9', REFUSED],
    ['198.51.100.1, 10.1.2.3', ADMITTED],
    ['::ffff:10.1.2.3', ADMITTED],
    ['nonsense', REFUSED],
    ['', REFUSED],
  ])(
    'the client address is the last address in X-Forwarded-For that is not a trusted proxy: "%s"',
    async (header, status) => {
      const { secret } = await issueKey(proxied.url, { networks: ['10.0.0.0/8'] });
      const response = await withKey(proxied.url, secret)
        .get('/api/internal/users/nobody')
        .set('X-Forwarded-For', header);
      expect(response.status).toBe(status);
    },
  );
});

describe('an earlier root key', () => {
  const previous = '0a1c2e4b6d8f7053942b6a8c0e1d3f57';
  const rotated = useApp({ INTERNAL_API_KEY_PREVIOUS: previous });

  it('is announced as deprecated to its callers, unlike the current root key', async () => {
    const old = await withKey(rotated.url, previous).get('/api/internal/users/1');
    expect(old.headers.deprecation).toMatch(/^@\d{10}$/);
    expect(old.headers.sunset).toBeUndefined();
    const current = await withKey(rotated.url).get('/api/internal/users/1');
    expect(current.headers.deprecation).toBeUndefined();
  });

  it('is listed with its last use', async () => {
    await withKey(rotated.url, previous)
      .get('/api/internal/users/1')
      .set('User-Agent', 'laggard/1');
    await rotated.nest.get(UsageRecorder).flush();
    const { body } = await withKey(rotated.url).get('/api/internal/root-keys').expect(200);
    expect(body.rootKeys.map(({ current }: { current: boolean }) => current)).toEqual([
      true,
      false,
    ]);
    expect(body.rootKeys[1].lastUse.client).toBe('laggard/1');
    expect(Date.parse(body.rootKeys[1].deprecatedSince)).toBeLessThanOrEqual(Date.now());
  });
});

afterAll(() => vi.restoreAllMocks());

describe('a process without a key cache, such as the command line', () => {
  const OPERATOR = {
    keyId: 'cli:test',
    isRoot: true,
    scopes: SCOPES,
    readFields: undefined,
    writeFields: undefined,
    budgets: [],
  };

  async function issueDevKey(databaseUrl: string) {
    const variables = { DATABASE_URL: databaseUrl, API_KEY_ENVIRONMENT: 'dev' };
    const module = await Test.createTestingModule({
      imports: [
        validatedConfig(() => parseEnvironment({ ...TEST_ENVIRONMENT, ...variables })),
        PrismaModule,
        ApiKeysModule,
      ],
    }).compile();
    const keys = module.get(ApiKeysService);
    try {
      return await keys.create(OPERATOR, { name: 'test', scopes: ['users:read'] });
    } finally {
      await module.close();
    }
  }

  it('cannot issue a key for an environment that the running servers refuse', async () => {
    const [{ name }] = await app.prisma.$queryRaw<
      [{ name: string }]
    >`SELECT current_database() AS name`;
    const databaseUrl = new URL(`/${name}`, inject('databaseServerUrl')).href;
    await expect(issueDevKey(databaseUrl)).rejects.toMatchObject({
      code: 'KEY_ENVIRONMENT_MISMATCH',
      extension: { errors: [{ message: expect.stringContaining('set API_KEY_ENVIRONMENT=test') }] },
    });
  });

  it('issues a key for any environment while no server runs', async () => {
    const database = await createTestDatabase();
    const { apiKey } = await issueDevKey(database.runTimeUrl);
    expect(apiKey.environment).toBe('dev');
    await database.drop();
  });
});
