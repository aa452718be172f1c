import { randomUUID } from 'node:crypto';
import type { PrismaClient } from '../../src/generated/prisma/client.js';
import type { UserCreateInput } from '../../src/generated/prisma/models.js';

/** Adds a unique user with the given fields. */
export async function addUser(prisma: PrismaClient, fields: Partial<UserCreateInput> = {}) {
  const id = randomUUID();
  return prisma.user.create({
    data: { id, email: `${id}@example.com`, name: 'Ada Lovelace', ...fields },
  });
}
