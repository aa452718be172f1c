import { randomUUID } from 'node:crypto';
import type { PrismaClient } from '../../src/generated/prisma/client.js';
import type { UserCreateInput } from '../../src/generated/prisma/models.js';

/** Adds a user that differs from every other one, with the fields that a test cares about. */
export async function addUser(prisma: PrismaClient, fields: Partial<UserCreateInput> = {}) {
  const id = randomUUID();
  return prisma.user.create({
    data: { id, email: `${id}@example.com`, name: 'Ada Lovelace', ...fields },
  });
}
