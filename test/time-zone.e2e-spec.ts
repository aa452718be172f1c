import { Client } from 'pg';
import { expect, it } from 'vitest';
import { startApp, withKey } from './support/app.js';
import { createTestDatabase } from './support/database.js';

const LOGIN = '2026-01-02T03:04:05.678Z';

it('the backend stores and returns exact times even if the time zone of the database is not UTC', async () => {
  const database = await createTestDatabase();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query(`ALTER DATABASE "${client.database}" SET timezone = 'Asia/Tokyo'`);
  const app = await startApp({ DATABASE_URL: database.runTimeUrl });
  const api = withKey(await app.getUrl());
  await api
    .post('/api/internal/users')
    .send({ id: '1', email: 'a@example.com', name: 'A' })
    .expect(201);

  const { body } = await api
    .patch('/api/internal/users/1')
    .send({ lastLoginAt: LOGIN })
    .expect(200);

  const { rows } = await client.query('SELECT last_login_at FROM users');
  expect(rows).toEqual([{ last_login_at: new Date(LOGIN) }]);
  expect(body.user.lastLoginAt).toBe(LOGIN);
  expect(Math.abs(Date.parse(body.user.createdAt) - Date.now())).toBeLessThan(60_000);
  await app.close();
  await client.end();
  await database.drop();
});
