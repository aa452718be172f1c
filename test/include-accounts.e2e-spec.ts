import { beforeAll, describe, expect, it } from 'vitest';
import { useApp, withKey } from './support/app.js';
import { issueKey } from './support/keys.js';
import { addUser } from './support/users.js';

const USERS = '/api/internal/users';
const BOTH_SCOPES = ['users:read', 'accounts:read'];
const SAVINGS = { id: 'savings-of-ada', type: 'savings', currency: 'USD' } as const;

const app = useApp({ KEY_MISSES_LIMIT: '2', KEY_USERS_LIMIT: '3' });

beforeAll(async () => {
  await addUser(app.prisma, { id: 'ada', phone: '+12025550123', accounts: { create: SAVINGS } });
  await addUser(app.prisma, { id: 'grace' });
});

async function clientWithKey(fields: object): Promise<ReturnType<typeof withKey>> {
  return withKey(app.url, (await issueKey(app.url, { ...fields })).secret);
}

describe('GET /api/internal/users/:id?include=accounts', () => {
  it('returns the same user and accounts as the two separate routes', async () => {
    const client = withKey(app.url);
    const { body } = await client.get(`${USERS}/ada?include=accounts`).expect(200);
    const { body: user } = await client.get(`${USERS}/ada`).expect(200);
    const { body: accounts } = await client.get(`${USERS}/ada/accounts`).expect(200);
    expect(body).toEqual({ ...user, ...accounts });
    expect(body.accounts).toEqual([{ ...SAVINGS, balance: '0.00' }]);
  });

  it('returns an empty list for a user without accounts', async () => {
    const { body } = await withKey(app.url).get(`${USERS}/grace?include=accounts`).expect(200);
    expect(body).toMatchObject({ user: { id: 'grace' }, accounts: [] });
  });

  it.each(BOTH_SCOPES)('refuses a key without %s, and names the scope', async (scope) => {
    const client = await clientWithKey({ scopes: BOTH_SCOPES.filter((each) => each !== scope) });
    const { body } = await client.get(`${USERS}/ada?include=accounts`).expect(403);
    expect(body).toMatchObject({ code: 'INSUFFICIENT_SCOPE', requiredScope: scope });
  });

  it('omits the fields that the key may not read', async () => {
    const client = await clientWithKey({ scopes: BOTH_SCOPES, readFields: ['name'] });
    const { body } = await client.get(`${USERS}/ada?include=accounts`).expect(200);
    expect(body).toMatchObject({
      user: { id: 'ada', name: 'Ada Lovelace' },
      accounts: [{ id: SAVINGS.id }],
    });
    expect(Object.keys(body.user)).toEqual(['id', 'name']);
  });

  it('returns 404 for a user that does not exist', async () => {
    const { body } = await withKey(app.url).get(`${USERS}/nobody?include=accounts`).expect(404);
    expect(body.code).toBe('USER_NOT_FOUND');
  });

  it.each(['include=orders', 'include=', 'include=accounts&include=accounts', 'includes=accounts'])(
    'returns 400 for ?%s',
    async (query) => {
      const { body } = await withKey(app.url).get(`${USERS}/ada?${query}`).expect(400);
      expect(body.code).toBe('INVALID_REQUEST');
    },
  );

  it('counts one miss for an unknown user, although it reads a user and accounts', async () => {
    const client = await clientWithKey({ scopes: BOTH_SCOPES });
    for (const [id, status] of [
      ['nobody-1', 404],
      ['nobody-2', 404],
      ['nobody-3', 429],
    ] as const) {
      await client.get(`${USERS}/${id}?include=accounts`).expect(status);
    }
  });
});

describe('GET /api/internal/users?ids=…&include=accounts', () => {
  it('returns the accounts of each existing user, grouped by user id', async () => {
    const { body } = await withKey(app.url)
      .get(`${USERS}?ids=grace,nobody,ada&include=accounts`)
      .expect(200);
    expect(body.users.map(({ id }: { id: string }) => id)).toEqual(['grace', 'ada']);
    expect(body.accounts).toEqual({ ada: [{ ...SAVINGS, balance: '0.00' }], grace: [] });
  });

  it('refuses a key without accounts:read', async () => {
    const client = await clientWithKey({ scopes: ['users:read'] });
    const { body } = await client.get(`${USERS}?ids=ada&include=accounts`).expect(403);
    expect(body.requiredScope).toBe('accounts:read');
  });

  it('returns 400 without ids', async () => {
    const { body } = await withKey(app.url).get(`${USERS}?include=accounts`).expect(400);
    expect(body.errors).toEqual([{ path: 'include', message: 'cannot be used without ids' }]);
  });
});
