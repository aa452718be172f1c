import path from 'node:path';
import { config } from 'dotenv';
import { defineConfig } from 'prisma/config';
import { readMigrationUrl, withoutPassword } from './prisma/database-url.mjs';
import { embeddedDatabaseUrl } from './scripts/embedded-postgres.js';

config({ quiet: true });

// Prisma would download a native schema engine instead, which only Windows needs, as it can't run a
// script by its first line: docs/decisions/0001-prisma-wasm-schema-engine.md
if (process.platform !== 'win32') {
  process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= path.join(
    import.meta.dirname,
    'packages/prisma-schema-engine/schema-engine.mjs',
  );
}

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations', seed: 'tsx prisma/seed.ts' },
  // Empty in .env means the embedded database; some commands need none at all.
  datasource: { url: withoutPassword(readMigrationUrl() || (embeddedDatabaseUrl() ?? '')) },
});
