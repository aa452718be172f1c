import { beforeAll, describe, expect, inject, it } from 'vitest';
import { useApp, withKey } from './support/app.js';

const USERS = '/api/internal/users';
const INJECTION = '","roles":["admin"],"x":"';

const app = useApp();

/** Puts a view without the table's constraints in its place, as over another application's users. */
beforeAll(async () => {
  await app.prisma.$executeRawUnsafe('ALTER TABLE users RENAME TO people');
  await app.prisma.$executeRawUnsafe(`
    CREATE VIEW users AS SELECT '1' || id AS id, email, name, '+1${INJECTION}' AS phone, roles, permissions,
      '2025-01-01 00:00:0${INJECTION}' AS created_at, 'never' AS last_login_at
    FROM people`);
  await app.prisma.$executeRawUnsafe(`GRANT SELECT ON users TO ${inject('runTimeAccount').name}`);
  await app.prisma.$executeRaw`
    INSERT INTO people (id, email, name, roles, updated_at)
    VALUES ('2', 'a@example.com', 'Ada', '{customer}', now())`;
});

describe('a view in place of the table of users', () => {
  it('cannot add members to the JSON of a user', async () => {
    const { text, body } = await withKey(app.url).get(`${USERS}/12`).expect(200);
    expect(body.user).toMatchObject({
      id: '12',
      phone: `+1${INJECTION}`,
      roles: ['customer'],
    });
    expect(Object.keys(body.user)).toHaveLength(8);
    expect(JSON.stringify(body)).toBe(text);
  });
});
