import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { useApp, withKey } from './support/app.js';
import { issueKey } from './support/keys.js';
import { addUser } from './support/users.js';

const USERS = '/api/internal/users';

const app = useApp();
let userId: string;

beforeAll(async () => {
  ({ id: userId } = await addUser(app.prisma, { phone: '+12025550123', name: 'Ada' }));
});

/** A client with a key that has these scopes and fields. */
async function clientWithKey(fields: object): Promise<ReturnType<typeof withKey>> {
  return withKey(app.url, (await issueKey(app.url, { ...fields })).secret);
}

describe('a key with readFields', () => {
  let reader: ReturnType<typeof withKey>;
  beforeAll(async () => {
    const scopes = ['users:read', 'users:write'];
    reader = await clientWithKey({ scopes, readFields: ['name', 'email'] });
  });

  it('reads no other field of a user', async () => {
    const { body } = await reader.get(`${USERS}/${userId}`).expect(200);
    expect(body.user).toEqual({ id: userId, email: `${userId}@example.com`, name: 'Ada' });
  });

  it('reads no other field in a list or a search', async () => {
    const { body: list } = await reader.get(`${USERS}?ids=${userId}`).expect(200);
    const { body: found } = await reader
      .post(`${USERS}/search`)
      .send({ email: `${userId}@example.com` })
      .expect(200);
    for (const { users } of [list, found]) {
      expect(users.map((user: object) => Object.keys(user))).toEqual([['id', 'email', 'name']]);
    }
  });

  it('cannot search by a field that it cannot read', async () => {
    const { body } = await reader
      .post(`${USERS}/search`)
      .send({ phone: '+12025550123' })
      .expect(403);
    expect(body.code).toBe('FIELD_NOT_ALLOWED');
    expect(body.errors.map(({ path }: { path: string }) => path)).toEqual(['phone']);
  });

  it('writes fields that it cannot read, and does not see them in the response', async () => {
    const change = { phone: '+442079460958', name: 'Grace' };
    const { body } = await reader.patch(`${USERS}/${userId}`).send(change).expect(200);
    expect(body.user).toEqual({ id: userId, email: `${userId}@example.com`, name: 'Grace' });
    const { body: created } = await reader
      .post(USERS)
      .send({ email: 'reader@example.com', name: 'New', phone: '+442079460958' })
      .expect(201);
    expect(Object.keys(created.user)).toEqual(['id', 'email', 'name']);
  });
});

describe('a key with only users:write', () => {
  it('receives only the id in the responses to PATCH and POST', async () => {
    const writer = await clientWithKey({ scopes: ['users:write'] });
    const lastLoginAt = '2026-11-30T09:00:00.000Z';
    const { body } = await writer.patch(`${USERS}/${userId}`).send({ lastLoginAt }).expect(200);
    expect(body).toEqual({ user: { id: userId } });
    const user = { id: 'written', email: 'written@example.com', name: 'Written' };
    const { body: created } = await writer.post(USERS).send(user).expect(201);
    expect(created).toEqual({ user: { id: 'written' } });
  });
});

describe('a key with writeFields', () => {
  let writer: ReturnType<typeof withKey>;
  beforeAll(async () => {
    const scopes = ['users:read', 'users:write', 'users:grant'];
    writer = await clientWithKey({ scopes, writeFields: ['phone'] });
  });

  it('writes these fields and reads all fields', async () => {
    const phone = '+12025550123';
    const { body } = await writer.patch(`${USERS}/${userId}`).send({ phone }).expect(200);
    expect(body.user).toMatchObject({ id: userId, phone, email: `${userId}@example.com` });
  });

  it.each([{ name: 'X' }, { roles: ['admin'] }, { lastLoginAt: null }])(
    'cannot write another field: %j',
    async (change) => {
      const before = await app.prisma.user.findUnique({ where: { id: userId } });
      const { body } = await writer
        .patch(`${USERS}/${userId}`)
        .send({ phone: null, ...change })
        .expect(403);
      expect(body).toMatchObject({
        code: 'FIELD_NOT_ALLOWED',
        errors: Object.keys(change).map((path) => ({ path })),
      });
      expect(await app.prisma.user.findUnique({ where: { id: userId } })).toEqual(before);
    },
  );

  it('cannot delete a user', async () => {
    const { id } = await addUser(app.prisma);
    const { body } = await writer.delete(`${USERS}/${id}`).expect(403);
    expect(body.code).toBe('FIELD_NOT_ALLOWED');
    expect(await app.prisma.user.count({ where: { id } })).toBe(1);
  });

  it('creates a user only with fields that it can write', async () => {
    await writer.post(USERS).send({ email: 'a@example.com', name: 'A' }).expect(403);
    const creator = await clientWithKey({
      scopes: ['users:write'],
      writeFields: ['email', 'name'],
    });
    const user = { email: 'a@example.com', name: 'A' };
    await creator
      .post(USERS)
      .send({ ...user, phone: '+12025550123' })
      .expect(403);
    await creator.post(USERS).send(user).expect(201);
  });
});

describe('a key without users:grant', () => {
  it.each([{ permissions: ['configure'] }, { roles: [] }])(
    'cannot set roles or permissions: %j',
    async (granted) => {
      const writer = await clientWithKey({ scopes: ['users:read', 'users:write'] });
      const refusal = { code: 'INSUFFICIENT_SCOPE', requiredScope: 'users:grant' };
      const { body } = await writer.patch(`${USERS}/${userId}`).send(granted).expect(403);
      expect(body).toMatchObject(refusal);
      const { body: creation } = await writer
        .post(USERS)
        .send({ email: 'granted@example.com', name: 'Granted', ...granted })
        .expect(403);
      expect(creation).toMatchObject(refusal);
    },
  );
});

describe('a key with users:grant', () => {
  it('sets roles and permissions if it also has users:write', async () => {
    const path = `${USERS}/${userId}`;
    const granter = await clientWithKey({ scopes: ['users:read', 'users:write', 'users:grant'] });
    const { body } = await granter
      .patch(path)
      .send({ permissions: ['read'] })
      .expect(200);
    expect(body.user.permissions).toEqual(['read']);
    const alone = await clientWithKey({ scopes: ['users:grant'] });
    await alone.patch(path).send({ permissions: [] }).expect(403);
  });
});

describe('a key that an earlier release created', () => {
  it('writes only the fields that it can read', async () => {
    const id = randomUUID();
    await app.prisma.$executeRaw`
      INSERT INTO api_keys (id, digest, hint, environment, name, scopes, user_fields, created_by, expires_at)
      VALUES (${id}, sha256('earlier'), '', 'test', '', '{users:read,users:write}', '{name}', '', now() + interval '1 h')`;
    const { writeFields } = await app.prisma.apiKey.findUniqueOrThrow({ where: { id } });
    expect(writeFields).toEqual(['name']);
  });
});
