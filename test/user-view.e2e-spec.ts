import { beforeAll, describe, expect, inject, it } from 'vitest';
import { useApp, withKey } from './support/app.js';

const USERS = '/api/internal/users';
const PHONE = '+1","roles":["admin"],"x":"';

const app = useApp();

/** Replaces the table with a view whose rows need not satisfy the constraints of the table. */
beforeAll(async () => {
  await app.prisma.$executeRawUnsafe(
    'ALTER TABLE users DROP CONSTRAINT users_id_check, DROP CONSTRAINT users_phone_check',
  );
  await app.prisma.$executeRawUnsafe('ALTER TABLE users RENAME TO people');
  await app.prisma.$executeRawUnsafe('CREATE VIEW users AS SELECT * FROM people');
  await app.prisma.$executeRawUnsafe(`GRANT SELECT ON users TO ${inject('runTimeAccount').name}`);
  await app.prisma.$executeRaw`
    INSERT INTO people (id, email, name, phone, roles, updated_at)
    VALUES ('12', 'a@example.com', 'Ada', ${PHONE}, '{customer}', now())`;
});

describe('a view that replaces the table of users', () => {
  it('cannot add members to the JSON of a user through a phone that contains quotes', async () => {
    const { text, body } = await withKey(app.url).get(`${USERS}/12`).expect(200);
    expect(body.user).toMatchObject({ id: '12', phone: PHONE, roles: ['customer'] });
    expect(body.user).not.toHaveProperty('x');
    expect(JSON.stringify(body)).toBe(text);
  });
});
