// Prisma's configuration in the container: DATABASE_URL from a secret file, and nothing of a checkout.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const pathOf = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

process.env.PRISMA_SCHEMA_ENGINE_BINARY = pathOf('prisma/schema-engine/schema-engine.mjs');

function readDatabaseUrl() {
  const file = process.env.DATABASE_URL_FILE;
  return file ? readFileSync(file, 'utf8').trim() : process.env.DATABASE_URL;
}

export default {
  schema: pathOf('prisma/schema.prisma'),
  migrations: { path: pathOf('prisma/migrations') },
  datasource: { url: readDatabaseUrl() },
};
