// Leaves in package.json only what `prisma migrate deploy` needs, so that no tests and builders get into its image.
import { readFileSync, writeFileSync } from 'node:fs';

const NEEDED = [
  '@prisma/adapter-pg',
  '@prisma/driver-adapter-utils',
  '@prisma/schema-engine-wasm',
  'pg',
  'prisma',
  'tsx',
  'zod',
];

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const versions = { ...manifest.dependencies, ...manifest.devDependencies };
const dependencies = Object.fromEntries(NEEDED.map((name) => [name, versions[name]]));
const { name, version, type } = manifest;
writeFileSync(
  'package.json',
  JSON.stringify({ name, version, private: true, type, dependencies }, undefined, 2),
);
