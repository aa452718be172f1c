// Prisma's configuration in the container: DIRECT_URL or DATABASE_URL from a secret file, and
// nothing of a checkout.
import { fileURLToPath } from 'node:url';
import { readMigrationUrl, withoutPassword } from '../../packages/environment/dist/database-url.js';

const pathOf = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

process.env.PRISMA_SCHEMA_ENGINE_BINARY = pathOf('packages/prisma-schema-engine/schema-engine.mjs');

export default {
  schema: pathOf('prisma/schema.prisma'),
  migrations: { path: pathOf('prisma/migrations') },
  datasource: { url: withoutPassword(readMigrationUrl()) },
};
