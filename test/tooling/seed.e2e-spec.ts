import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PrismaPg } from '@prisma/adapter-pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { seedBulkUsers } from '../../prisma/seed/bulk-users.js';
import { seedDemoUsers } from '../../prisma/seed/demo-users.js';
import { PrismaClient } from '../../src/generated/prisma/client.js';
import { UTC_SESSION } from '../../src/prisma/utc-session.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const run = promisify(execFile);

describe('the seed', () => {
  let database: TestDatabase;
  let prisma: PrismaClient;

  beforeAll(async () => {
    database = await createTestDatabase();
    prisma = new PrismaClient({
      adapter: new PrismaPg({ connectionString: database.url, options: UTC_SESSION }),
    });
  });

  afterEach(async () => {
    await prisma.account.deleteMany();
    await prisma.user.deleteMany();
  });

  afterAll(async () => {
    await prisma.$disconnect();
    await database.drop();
  });

  function seed(args: string[], variables: NodeJS.ProcessEnv = {}) {
    return run(process.execPath, ['--import', 'tsx', 'prisma/seed.ts', ...args], {
      env: { PATH: process.env.PATH, DATABASE_URL: database.url, ...variables },
    });
  }

  describe('of demo users', () => {
    it('adds the user that the documentation mentions', async () => {
      await seedDemoUsers(prisma);

      const user = await prisma.user.findUnique({
        where: { id: '12345' },
        include: { accounts: { orderBy: { type: 'asc' } } },
      });

      expect(user).toMatchObject({
        email: 'user@example.com',
        name: 'John Doe',
        phone: '+12025550123',
        roles: ['customer'],
        permissions: ['read', 'transact', 'configure'],
        createdAt: new Date('2025-01-01T00:00:00.000Z'),
        lastLoginAt: new Date('2025-01-15T10:30:00.000Z'),
      });
      expect(user?.accounts.map(({ type, balance }) => [type, balance.toFixed(2)])).toEqual([
        ['checking', '2543.75'],
        ['savings', '12800.00'],
      ]);
    });

    it('changes nothing when it is repeated', async () => {
      await seedDemoUsers(prisma);
      await prisma.user.update({ where: { id: '12345' }, data: { name: 'Changed' } });
      const before = await prisma.user.findMany({ include: { accounts: true } });

      await seedDemoUsers(prisma);

      const after = await prisma.user.findMany({ include: { accounts: true } });
      expect(after).toEqual(expect.arrayContaining(before));
      expect(after).toHaveLength(before.length);
    });
  });

  describe('of bulk users', () => {
    it('adds the requested number of users, each with an account', async () => {
      expect(await seedBulkUsers(prisma, 2000)).toBe(2000);

      expect(await prisma.user.count()).toBe(2000);
      expect(await prisma.user.count({ where: { accounts: { some: {} } } })).toBe(2000);
    });

    it('creates a user with the same data on every run', async () => {
      await seedBulkUsers(prisma, 3);

      const user = await prisma.user.findUnique({
        where: { id: '3' },
        include: { accounts: true },
      });

      expect(user).toMatchObject({
        email: 'user3@example.com',
        name: 'Deniz Dubois',
        phone: '+12025550002',
        accounts: [{ id: 'account-3', type: 'checking', currency: 'USD' }],
      });
    });

    it('adds only missing users', async () => {
      await seedBulkUsers(prisma, 10);

      expect(await seedBulkUsers(prisma, 15)).toBe(5);
    });

    it('does not change an existing user whose id it would use', async () => {
      const kept = { id: '5', email: 'kept@example.com', name: 'Kept' };
      await prisma.user.create({ data: kept });

      expect(await seedBulkUsers(prisma, 10)).toBe(9);

      const user = await prisma.user.findUnique({
        where: { id: '5' },
        include: { accounts: true },
      });
      expect(user).toMatchObject({ ...kept, accounts: [] });
    });
  });

  describe('as a command', () => {
    it('adds the demo users and the requested bulk users', async () => {
      const { stdout } = await seed(['--users', '20']);

      expect(stdout).toMatch(/Added 20 of 20 users, .* in \d+\.\d s/);
      expect(await prisma.user.count({ where: { id: { in: ['12345', '20'] } } })).toBe(2);
    });

    it.each(['0', '10000001'])('refuses --users %s', async (users) => {
      await expect(seed([`--users=${users}`])).rejects.toMatchObject({
        code: 1,
        stderr: '--users must be a whole number from 1 to 10000000.\n',
      });
    });

    it('refuses to run in production', async () => {
      await expect(seed([], { NODE_ENV: 'production' })).rejects.toMatchObject({ code: 1 });

      expect(await prisma.user.count()).toBe(0);
    });

    it('runs in production with --force', async () => {
      await seed(['--force'], { NODE_ENV: 'production' });

      expect(await prisma.user.count()).toBeGreaterThan(0);
    });

    it('reports an unreachable database in one sentence', async () => {
      const url = new URL(database.url);
      url.port = '1';

      await expect(seed([], { DATABASE_URL: url.href })).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^Can't reach database server at .*\n$/),
      });
    });
  });
});
