import { parseArgs } from 'node:util';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  readDatabaseUrl,
  schemaOf,
  withSearchPath,
} from '../packages/environment/src/database-url.js';
import { loadEnvFiles } from '../packages/environment/src/env-files.js';
import { PrismaClient } from '../src/generated/prisma/client.js';
import { inUtc } from '../src/prisma/utc-session.js';
import { seedBulkUsers } from './seed/bulk-users.js';
import { seedDemoUsers } from './seed/demo-users.js';

const MAX_USERS = 10_000_000;

/** Adds the demo users and, with `--users N`, the users 1 … N to the database. */
async function seed(): Promise<void> {
  const { users, force } = readOptions();
  loadEnvFiles();
  if (process.env.NODE_ENV === 'production' && !force) {
    throw new Error(
      'NODE_ENV is production: add --force to add demo users to this database anyway.',
    );
  }
  const connectionString = withSearchPath(readDatabaseUrl());
  if (connectionString === '') {
    throw new Error('There is no database yet: run npm start first, or set DATABASE_URL.');
  }
  const prisma = new PrismaClient({
    adapter: new PrismaPg(
      { connectionString: inUtc(connectionString) },
      { schema: schemaOf(connectionString) },
    ),
    errorFormat: 'minimal',
  });
  try {
    await seedDemoUsers(prisma);
    console.log('The demo users are in the database.');
    if (users === 0) return;
    const added = await seedBulkUsers(prisma, users);
    const seconds = (performance.now() / 1000).toFixed(1);
    console.log(`Added ${added} of ${users} users, each with an account, in ${seconds} s.`);
  } finally {
    await prisma.$disconnect();
  }
}

function readOptions(): { users: number; force: boolean } {
  const { values } = parseArgs({
    options: { users: { type: 'string' }, force: { type: 'boolean', default: false } },
  });
  const { users, force } = values;
  if (users === undefined) return { users: 0, force };
  if (/^[1-9]\d*$/.test(users) && Number(users) <= MAX_USERS)
    return { users: Number(users), force };
  throw new Error(`--users must be a whole number from 1 to ${MAX_USERS}.`);
}

try {
  await seed();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  // The last line of Prisma's messages is the reason; the lines before it quote the source code.
  console.error(message.trimEnd().split('\n').at(-1));
  process.exitCode = 1;
}
