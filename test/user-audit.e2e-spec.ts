import { describe, expect, it } from 'vitest';
import { useApp, withKey } from './support/app.js';
import { issueKey } from './support/keys.js';

const USERS = '/api/internal/users';

const app = useApp();

async function eventsOf(userId: string) {
  const events = await app.prisma.auditEvent.findMany({
    where: { subject: `user:${userId}` },
    orderBy: { sequence: 'asc' },
  });
  return events.map(({ actor, action, before, after }) => ({
    actor,
    action,
    before,
    after: JSON.parse(after ?? 'null'),
  }));
}

describe('the audit trail of users', () => {
  it('records each write with the key, the field names and the acting user', async () => {
    const { id: keyId, secret } = await issueKey(app.url, {
      scopes: ['users:read', 'users:write'],
    });
    const client = withKey(app.url, secret);
    const ada = { id: 'ada', email: 'ada@example.com', name: 'Ada' };
    await client.post(USERS).send(ada).expect(201);
    await client
      .patch(`${USERS}/ada`)
      .set('X-Acting-User', 'ada')
      .send({ phone: '+12025550123', lastLoginAt: '2026-11-30T09:00:00Z' })
      .expect(200);
    await client.delete(`${USERS}/ada`).set('X-Acting-User', 'an_operator').expect(204);

    const events = await eventsOf('ada');
    expect(events).toMatchObject([
      { actor: keyId, action: 'user.create', before: null, after: { actingUser: null } },
      { actor: keyId, action: 'user.update', before: null, after: { actingUser: 'ada' } },
      { actor: keyId, action: 'user.delete', before: null, after: { actingUser: 'an_operator' } },
    ]);
    const [created, updated] = events.map(({ after }) => after.fields.toSorted());
    expect(created).toEqual(['email', 'name']);
    expect(updated).toEqual(['lastLoginAt', 'phone']);
    expect(JSON.stringify(events)).not.toContain('+12025550123');
  });

  it('records no acting user for a write without X-Acting-User, even after a write with this header', async () => {
    await withKey(app.url)
      .post(USERS)
      .set('X-Acting-User', 'somebody')
      .send({ id: 'grace', email: 'grace@example.com', name: 'Grace' })
      .expect(201);
    await withKey(app.url).patch(`${USERS}/grace`).send({ name: 'Grace Hopper' }).expect(200);
    const events = await eventsOf('grace');
    expect(events.map(({ after }) => after.actingUser)).toEqual(['somebody', null]);
  });

  it('records no refused write', async () => {
    const { secret } = await issueKey(app.url, { scopes: ['users:write'], writeFields: ['phone'] });
    await withKey(app.url, secret).patch(`${USERS}/grace`).send({ name: 'X' }).expect(403);
    await withKey(app.url).patch(`${USERS}/nobody`).send({ name: 'X' }).expect(404);
    expect(await eventsOf('grace')).toHaveLength(2);
    expect(await eventsOf('nobody')).toEqual([]);
  });
});

describe('X-Acting-User', () => {
  it.each(['a b', '', 'x'.repeat(65), 'ada, grace'])(
    'is refused if its value is malformed: %j',
    async (value) => {
      const client = withKey(app.url).set('X-Acting-User', value);
      for (const write of [
        client.post(USERS).send({ email: 'acting@example.com', name: 'Acting' }),
        client.patch(`${USERS}/grace`).send({ name: 'X' }),
        client.delete(`${USERS}/grace`),
      ]) {
        const { body } = await write.expect(400);
        expect(body).toMatchObject({
          code: 'INVALID_REQUEST',
          errors: [{ path: 'X-Acting-User' }],
        });
      }
    },
  );
});
