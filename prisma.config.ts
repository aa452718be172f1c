import path from 'node:path';
import { defineConfig } from 'prisma/config';
import {
  readMigrationUrl,
  withoutPassword,
  withSearchPath,
} from './packages/environment/src/database-url.js';
import { loadEnvFiles } from './packages/environment/src/env-files.js';

loadEnvFiles();

// Replaces the native schema engine, which Prisma would download. Windows uses the native engine,
// because it cannot execute a script with `#!`: docs/decisions/0001-prisma-wasm-schema-engine.md
if (process.platform !== 'win32') {
  process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= path.join(
    import.meta.dirname,
    'packages/prisma-schema-engine/schema-engine.mjs',
  );
}

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations', seed: 'tsx prisma/seed.ts' },
  datasource: { url: withSearchPath(withoutPassword(readMigrationUrl())) },
});
