import { randomUUID } from 'node:crypto';
import type { Response } from 'supertest';
import { describe, expect, it } from 'vitest';
import { userPageSchema } from '../src/users/user.schemas.js';
import { useApp, withKey } from './support/app.js';
import { addUser } from './support/users.js';

const app = useApp();
const api = () => withKey(app.url);

describe('GET /api/internal/users/:id', () => {
  it('returns exactly the documented fields, in order', async () => {
    const user = await addUser(app.prisma, {
      id: 'john',
      email: 'john@example.com',
      name: 'John Doe',
      phone: '+12025550123',
      roles: ['customer'],
      permissions: ['read', 'transact', 'configure'],
      createdAt: new Date('2025-01-01T00:00:00.000Z'),
      lastLoginAt: new Date('2025-01-15T10:30:00.000Z'),
    });
    const response = await api().get(`/api/internal/users/${user.id}`).expect(200);
    expect(response.text).toBe(
      '{"user":{"id":"john","email":"john@example.com","name":"John Doe","phone":"+12025550123",' +
        '"roles":["customer"],"permissions":["read","transact","configure"],' +
        '"createdAt":"2025-01-01T00:00:00.000Z","lastLoginAt":"2025-01-15T10:30:00.000Z"}}',
    );
    expect(response.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it('returns null for a missing phone and last login', async () => {
    const { id } = await addUser(app.prisma);
    const { body } = await api().get(`/api/internal/users/${id}`).expect(200);
    expect(body.user).toMatchObject({ phone: null, lastLoginAt: null });
  });

  it('returns empty roles and permissions, also for null in the database', async () => {
    const { id } = await addUser(app.prisma);
    await app.prisma
      .$executeRaw`UPDATE users SET roles = NULL, permissions = NULL WHERE id = ${id}`;
    const { body } = await api().get(`/api/internal/users/${id}`).expect(200);
    expect(body.user).toMatchObject({ roles: [], permissions: [] });
  });

  it('returns 404 for an unknown id', async () => {
    const { body } = await api().get('/api/internal/users/nobody').expect(404);
    expect(body).toMatchObject({
      code: 'USER_NOT_FOUND',
      detail: 'User not found',
      retryable: false,
    });
  });

  it.each(['a%20b', '%00', 'a%2fb', 'a.b', 'ü', 'a'.repeat(65), "1'--", '%F0%9F%94%91'])(
    'returns 400 for %s, which is not an id',
    async (id) => {
      const { body } = await api()
        .get(`/api/internal/users/${encodeURI(decodeURI(id))}`)
        .expect(400);
      expect(body).toMatchObject({ code: 'INVALID_REQUEST', errors: [{ path: 'id' }] });
    },
  );

  it('accepts an id of 64 characters', async () => {
    const { id } = await addUser(app.prisma, { id: 'Z'.repeat(64) });
    await api().get(`/api/internal/users/${id}`).expect(200);
  });

  it('forbids caching', async () => {
    const { id } = await addUser(app.prisma);
    const { headers } = await api().get(`/api/internal/users/${id}`);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  });
});

describe('GET /api/internal/users?ids=', () => {
  it('returns users in the requested order, and ignores duplicates and unknown ids', async () => {
    const [one, two] = [await addUser(app.prisma), await addUser(app.prisma)];
    const ids = [two.id, 'nobody', one.id, two.id].join(',');
    const { body } = await api().get('/api/internal/users').query({ ids }).expect(200);
    expect(body.users.map((user: { id: string }) => user.id)).toEqual([two.id, one.id]);
    expect(body.nextCursor).toBeNull();
  });

  it('accepts 100 ids of 64 characters', async () => {
    const ids = Array.from({ length: 100 }, (_, index) => String(index).padStart(64, 'x'));
    const { body } = await api()
      .get(`/api/internal/users?ids=${ids.join('%2C')}`)
      .expect(200);
    expect(body.users).toEqual([]);
  });

  it.each([
    ['a bad id among good ones', { ids: '1,%00' }, 'ids.1'],
    ['an empty list', { ids: '' }, 'ids.0'],
    ['more than 100 ids', { ids: Array(101).fill('1').join(',') }, 'ids'],
    ['ids together with a cursor', { ids: '1', cursor: 'MQ' }, 'cursor'],
  ])('returns 400 for %s', async (_case, query, path) => {
    const { body } = await api().get('/api/internal/users').query(query).expect(400);
    expect(body.errors[0].path).toBe(path);
  });

  it('returns 400 for a repeated parameter', async () => {
    await api().get('/api/internal/users?ids=1&ids=2').expect(400);
  });
});

describe('GET /api/internal/users', () => {
  it('returns each user exactly once over all pages', async () => {
    await Promise.all(Array.from({ length: 5 }, () => addUser(app.prisma)));
    const seen: string[] = [];
    for (let cursor: string | undefined | null; cursor !== null;) {
      const response: Response = await api()
        .get('/api/internal/users')
        .query({ limit: 2, cursor })
        .expect(200);
      const page = userPageSchema.parse(response.body);
      expect(page.users.length).toBeLessThanOrEqual(2);
      seen.push(...page.users.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    const all = await app.prisma.user.findMany({ select: { id: true } });
    expect(seen.toSorted()).toEqual(all.map(({ id }) => id).toSorted());
  });

  it('has no next page after the last user', async () => {
    await addUser(app.prisma);
    const count = await app.prisma.user.count();
    const { body } = await api().get('/api/internal/users').query({ limit: count }).expect(200);
    expect(body.users).toHaveLength(count);
    expect(body.nextCursor).toBeNull();
  });

  it.each([
    { limit: '0' },
    { limit: '101' },
    { limit: '1.5' },
    { limit: 'ten' },
    { limit: '1e1' },
    { limit: '' },
    { cursor: 'not a cursor' },
    { cursor: Buffer.from('not an id').toString('base64url') },
    { offset: '1' },
  ])('returns 400 for %o', async (query) => {
    const { body } = await api().get('/api/internal/users').query(query).expect(400);
    expect(body.code).toBe('INVALID_REQUEST');
  });
});

describe('POST /api/internal/users/search', () => {
  const search = (body: object) => api().post('/api/internal/users/search').send(body);

  it('finds a user by email, regardless of case', async () => {
    const { id } = await addUser(app.prisma, { email: 'grace@example.com' });
    const { body } = await search({ email: ' Grace@Example.com ' }).expect(200);
    expect(body.users.map((user: { id: string }) => user.id)).toEqual([id]);
  });

  it('finds all users with the given phone number, regardless of its notation', async () => {
    const shared = { phone: '+442079460018' };
    const ids = [await addUser(app.prisma, shared), await addUser(app.prisma, shared)].map(
      ({ id }) => id,
    );
    const { body } = await search({ phone: '+44 20 7946 0018' }).expect(200);
    expect(body.users.map((user: { id: string }) => user.id)).toEqual(ids.toSorted());
  });

  it('returns the results in pages', async () => {
    const shared = { phone: '+442079460019' };
    await addUser(app.prisma, shared);
    await addUser(app.prisma, shared);
    const first = await search({ ...shared, limit: 1 }).expect(200);
    const second = await search({ ...shared, limit: 1, cursor: first.body.nextCursor }).expect(200);
    expect(second.body.nextCursor).toBeNull();
    expect(second.body.users[0].id).not.toBe(first.body.users[0].id);
  });

  it('returns an empty page if no user matches', async () => {
    const { body } = await search({ email: 'nobody@example.com' }).expect(200);
    expect(body).toEqual({ users: [], nextCursor: null });
  });

  it.each([
    [{}],
    [{ email: 'a@example.com', phone: '+12025550123' }],
    [{ name: 'Ada' }],
    [{ email: 'nonsense' }],
    [{ phone: '12' }],
    [{ phone: '+11234567890' }],
    [{ email: { contains: '@' } }],
    [{ email: 'a@example.com', limit: '1' }],
    [{ email: 'a@example.com', limit: true }],
    [[]],
  ])('returns 400 for %j', async (body) => {
    await search(body).expect(400);
  });
});

describe('POST /api/internal/users', () => {
  const create = (body: object) => api().post('/api/internal/users').send(body);

  it('creates a user with a generated id', async () => {
    const { body } = await create({ email: 'New@Example.com', name: ' New User ' }).expect(201);
    expect(body.user).toMatchObject({
      email: 'new@example.com',
      name: 'New User',
      phone: null,
      roles: [],
      permissions: [],
      lastLoginAt: null,
    });
    const read = await api().get(`/api/internal/users/${body.user.id}`).expect(200);
    expect(read.body).toEqual(body);
  });

  it('stores the given id and every other field', async () => {
    const user = {
      id: 'given_id',
      email: 'given@example.com',
      name: 'Zoë 🔑',
      phone: '+81312345678',
      roles: ['customer', 'admin'],
      permissions: ['read'],
    };
    const { body } = await create(user).expect(201);
    expect(body.user).toMatchObject(user);
  });

  it('returns 400 for the id "search", which is the path of a route', async () => {
    const user = { id: 'search', email: 'search@example.com', name: 'Search' };
    const { body } = await create(user).expect(400);
    expect(body.errors).toEqual([{ path: 'id', message: 'must not be "search"' }]);
  });

  it('returns 409 for an email that is taken, also in upper case', async () => {
    const { email } = await addUser(app.prisma);
    const { body } = await create({ email: email.toUpperCase(), name: 'Copy' }).expect(409);
    expect(body.code).toBe('EMAIL_TAKEN');
  });

  it('returns 409 for an id that is taken', async () => {
    const { id } = await addUser(app.prisma);
    const { body } = await create({ id, email: 'other-of-id@example.com', name: 'Copy' }).expect(
      409,
    );
    expect(body.code).toBe('USER_ID_TAKEN');
  });

  it.each([
    ['more digits than E.164 allows', '+4921234567890123'],
    ['words around it', 'call me +12025550123'],
    ['an extension', '+12025550123 ext. 5'],
    ['no country code', '2025550123'],
  ])('returns 400 for a phone with %s', async (_case, phone) => {
    const { body } = await create({ email: 'phone@example.com', name: 'A', phone }).expect(400);
    expect(body.errors).toEqual([expect.objectContaining({ path: 'phone' })]);
  });

  it.each([
    ['NUL', 'a\u0000b'],
    ['a line break', 'a\nb'],
    ['a lone surrogate', 'a\ud800b'],
    ['a right-to-left override', 'a\u202eb'],
    ['a line separator', 'a\u2028b'],
    ['invisible tag letters', 'a\u{e0041}\u{e0042}'],
    ['only invisible characters', '\u200c\u200d'],
    ['only spaces', '   '],
    ['201 characters', 'x'.repeat(201)],
  ])('returns 400 for a name with %s', async (_case, name) => {
    const { body } = await create({ email: 'name@example.com', name }).expect(400);
    expect(body.errors[0].path).toBe('name');
  });

  it('stores names in several scripts, and multi-part emoji', async () => {
    const names = ['नमस्ते', 'محمد', '山田 太郎', 'O’Brien-Łuk', '👩‍💻', 'क्‍ष'];
    for (const [index, name] of names.entries()) {
      const { body } = await create({ email: `script-${index}@example.com`, name }).expect(201);
      expect(body.user.name).toBe(name);
    }
  });

  it.each([`Robert'); DROP TABLE users; --`, `' OR '1'='1`, '$1; SELECT 1', '\\'])(
    'stores a name that looks like SQL: %s',
    async (name) => {
      const { body } = await create({ email: `${randomUUID()}@example.com`, name }).expect(201);
      expect(body.user.name).toBe(name);
    },
  );

  it('returns 400 for an email with a non-ASCII character that looks like ASCII', async () => {
    await create({ email: '\u212Aate@example.com', name: 'A' }).expect(400);
  });

  it('names every invalid field', async () => {
    const { body } = await create({
      email: 'nonsense',
      name: 'a\u0000b',
      phone: '+1',
      roles: ['A'],
      age: 7,
    });
    expect(body.status).toBe(400);
    const paths = body.errors.map((error: { path: string }) => error.path).toSorted();
    expect(paths).toEqual(['', 'email', 'name', 'phone', 'roles.0']);
  });
});

describe('NEW_USER_PERMISSIONS', () => {
  const configured = useApp({ NEW_USER_PERMISSIONS: 'read, transact' });
  const create = async (fields: object) => {
    const user = { email: 'new@example.com', name: 'New', ...fields };
    const { body } = await withKey(configured.url).post('/api/internal/users').send(user);
    await configured.prisma.user.deleteMany();
    return body.user.permissions;
  };

  it('sets the permissions of a new user unless the request sets others', async () => {
    expect(await create({})).toEqual(['read', 'transact']);
    expect(await create({ permissions: ['configure'] })).toEqual(['configure']);
    expect(await create({ permissions: [] })).toEqual([]);
  });
});

describe('PATCH /api/internal/users/:id', () => {
  const update = (id: string, body: object) => api().patch(`/api/internal/users/${id}`).send(body);

  it('changes the given fields and no others', async () => {
    const { id, email } = await addUser(app.prisma, { phone: '+12025550123' });
    const changes = { name: 'Changed', lastLoginAt: '2026-01-02T03:04:05.000Z' };
    const { body } = await update(id, changes).expect(200);
    expect(body.user).toMatchObject({ ...changes, email, phone: '+12025550123' });
  });

  it('removes the phone if the request sets it to null', async () => {
    const { id } = await addUser(app.prisma, { phone: '+12025550123' });
    const { body } = await update(id, { phone: null }).expect(200);
    expect(body.user.phone).toBeNull();
  });

  it('records the time of the change', async () => {
    const before = await addUser(app.prisma, { updatedAt: new Date(0) });
    await update(before.id, { name: 'Changed' }).expect(200);
    const after = await app.prisma.user.findUniqueOrThrow({ where: { id: before.id } });
    expect(after.updatedAt.getTime()).toBeGreaterThan(0);
  });

  it('returns 404 for an unknown id', async () => {
    const { body } = await update('nobody', { name: 'X' }).expect(404);
    expect(body.code).toBe('USER_NOT_FOUND');
  });

  it('returns 409 for an email that is taken, and changes nothing', async () => {
    const [one, two] = [await addUser(app.prisma), await addUser(app.prisma)];
    const { body } = await update(one.id, { email: two.email, name: 'X' }).expect(409);
    expect(body.code).toBe('EMAIL_TAKEN');
    const row = await app.prisma.user.findUniqueOrThrow({ where: { id: one.id } });
    expect(row).toEqual(one);
  });

  it.each([
    [{}],
    [{ id: 'other' }],
    [{ createdAt: '2020-01-01T00:00:00Z' }],
    [{ lastLoginAt: 'today' }],
    [{ lastLoginAt: '0000-01-01T00:00:00Z' }],
    [{ roles: ['a', 'a'] }],
  ])('returns 400 for %j', async (body) => {
    const { id } = await addUser(app.prisma);
    await update(id, body).expect(400);
  });
});

describe('DELETE /api/internal/users/:id', () => {
  it('deletes the user', async () => {
    const { id } = await addUser(app.prisma);
    const { text } = await api().delete(`/api/internal/users/${id}`).expect(204);
    expect(text).toBe('');
    await api().get(`/api/internal/users/${id}`).expect(404);
  });

  it('returns 404 for an unknown id', async () => {
    await api().delete('/api/internal/users/nobody').expect(404);
  });

  it('accepts a request with a JSON content type and no body', async () => {
    const { id } = await addUser(app.prisma);
    await api()
      .delete(`/api/internal/users/${id}`)
      .set('Content-Type', 'application/json')
      .expect(204);
  });

  it('returns 400 for an invalid id', async () => {
    await api().delete('/api/internal/users/a.b').expect(400);
  });

  it('returns 409 for a user with accounts, and keeps the accounts', async () => {
    const { id } = await addUser(app.prisma, {
      accounts: { create: { type: 'savings', currency: 'USD' } },
    });
    const { body } = await api().delete(`/api/internal/users/${id}`).expect(409);
    expect(body.code).toBe('USER_HAS_ACCOUNTS');
    expect(await app.prisma.account.count({ where: { userId: id } })).toBe(1);
  });
});

describe('GET /api/internal/users/:id/accounts', () => {
  it('returns exact balances, with at least the decimal places of the currency', async () => {
    const { id } = await addUser(app.prisma, {
      accounts: {
        create: [
          { type: 'checking', currency: 'USD', balance: '2543.5', createdAt: new Date(1) },
          { type: 'savings', currency: 'JPY', balance: '900000', createdAt: new Date(2) },
          { type: 'credit', currency: 'EUR', balance: '-0.0025', createdAt: new Date(3) },
          {
            type: 'savings',
            currency: 'USD',
            balance: '999999999999999.9999',
            createdAt: new Date(4),
          },
        ],
      },
    });
    const { body } = await api().get(`/api/internal/users/${id}/accounts`).expect(200);
    expect(body.accounts).toEqual([
      { id: expect.any(String), type: 'checking', currency: 'USD', balance: '2543.50' },
      { id: expect.any(String), type: 'savings', currency: 'JPY', balance: '900000' },
      { id: expect.any(String), type: 'credit', currency: 'EUR', balance: '-0.0025' },
      { id: expect.any(String), type: 'savings', currency: 'USD', balance: '999999999999999.9999' },
    ]);
  });

  it('returns the accounts of one type', async () => {
    const { id } = await addUser(app.prisma, {
      accounts: {
        create: [
          { type: 'checking', currency: 'USD' },
          { type: 'savings', currency: 'USD' },
        ],
      },
    });
    const { body } = await api().get(`/api/internal/users/${id}/accounts?type=savings`).expect(200);
    expect(body.accounts.map((account: { type: string }) => account.type)).toEqual(['savings']);
  });

  it('returns no account of another user', async () => {
    await addUser(app.prisma, { accounts: { create: { type: 'savings', currency: 'USD' } } });
    const { id } = await addUser(app.prisma);
    const { body } = await api().get(`/api/internal/users/${id}/accounts`).expect(200);
    expect(body.accounts).toEqual([]);
  });

  it('returns 404 for a user that does not exist', async () => {
    await api().get('/api/internal/users/nobody/accounts').expect(404);
  });

  it('returns 400 for a type that does not exist', async () => {
    const { body } = await api().get('/api/internal/users/1/accounts?type=gold').expect(400);
    expect(body.errors[0].path).toBe('type');
  });
});
