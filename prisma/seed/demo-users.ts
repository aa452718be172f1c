import type { Prisma, PrismaClient } from '../../src/generated/prisma/client.js';
import { EXAMPLE_USER } from '../../src/users/user-fields.js';

const DEMO_USERS: Prisma.UserCreateInput[] = [
  {
    ...EXAMPLE_USER,
    accounts: {
      create: [
        { type: 'checking', currency: 'USD', balance: '2543.75' },
        { type: 'savings', currency: 'USD', balance: '12800.00' },
      ],
    },
  },
  {
    id: 'never-logged-in',
    email: 'maria.silva@example.com',
    name: 'Maria Silva',
    roles: ['customer'],
    permissions: ['read', 'transact'],
    createdAt: '2025-02-03T08:15:00.000Z',
    accounts: { create: [{ type: 'checking', currency: 'USD', balance: '0' }] },
  },
  {
    id: 'administrator',
    email: 'admin@example.com',
    name: 'Grace Okafor',
    phone: '+442079460958',
    roles: ['admin'],
    permissions: ['read', 'transact', 'configure'],
    createdAt: '2024-11-20T12:00:00.000Z',
    lastLoginAt: '2025-03-01T07:45:00.000Z',
  },
  {
    id: 'read-only',
    email: 'wei.chen@example.com',
    name: '陈伟',
    phone: '+12025550147',
    roles: ['customer'],
    permissions: ['read'],
    createdAt: '2025-01-20T16:05:00.000Z',
    lastLoginAt: '2025-02-28T22:10:00.000Z',
    accounts: { create: [{ type: 'credit', currency: 'USD', balance: '-310.40' }] },
  },
  {
    id: 'many-currencies',
    email: 'zoe.muller@example.com',
    name: 'Zoë Müller',
    phone: '+493023125000',
    roles: ['customer', 'premium'],
    permissions: ['read', 'transact', 'configure'],
    createdAt: '2024-12-09T09:30:00.000Z',
    lastLoginAt: '2025-03-02T18:20:00.000Z',
    accounts: {
      create: [
        { type: 'checking', currency: 'EUR', balance: '1890.10' },
        { type: 'savings', currency: 'JPY', balance: '750000' },
      ],
    },
  },
];

/** Adds the users that the documentation mentions. Does not change existing users. */
export async function seedDemoUsers(prisma: PrismaClient): Promise<void> {
  for (const user of DEMO_USERS) {
    await prisma.user.upsert({ where: { id: user.id }, create: user, update: {} });
  }
}
