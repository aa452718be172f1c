import { describe, expect, it } from 'vitest';
import { useApp } from '../support/app.js';
import { UsersService } from '../../src/users/users.service.js';
import { scaled } from '../support/load.js';
import { addUser } from '../support/users.js';

const ROUNDS = scaled(100_000);
const CONCURRENCY = 20;
const AUTHOR = { keyId: 'the test' };

const app = useApp();

describe(`${ROUNDS} writes with concurrent reads`, { timeout: 600_000 }, () => {
  it('are visible to every read that starts after them', async () => {
    const users = app.nest.get(UsersService, { strict: false });
    const ids = await Promise.all(
      Array.from({ length: CONCURRENCY }, async () => (await addUser(app.prisma)).id),
    );
    const stale: string[] = [];
    const nameOf = async (id: string): Promise<unknown> => {
      const user: { id: string; name: string } = JSON.parse(await users.get(id));
      return user.id === id ? user.name : undefined;
    };
    const writer = async (id: string, other: string) => {
      for (let round = 0; round < ROUNDS / CONCURRENCY; round++) {
        const name = `Name ${round}`;
        // Each writer also looks up the user of another writer, so a user is looked up while it is
        // being changed. Reads after the change must not share these look-ups.
        await Promise.all([users.update(id, { name }, AUTHOR), nameOf(other)]);
        const [read, again] = await Promise.all([nameOf(id), nameOf(id)]);
        if (read !== name || again !== name) stale.push(id);
      }
    };
    await Promise.all(ids.map((id, index) => writer(id, ids[(index + 1) % CONCURRENCY] ?? '')));
    expect(stale).toEqual([]);
  });
});
