import { readFileSync } from 'node:fs';
import semver from 'semver';
import { expect, it } from 'vitest';
import { z } from 'zod';

const engines = z.object({ node: z.string().default('*') }).default({ node: '*' });
const manifestSchema = z.object({ engines });
const lockFileSchema = z.object({ packages: z.record(z.string(), z.object({ engines })) });

const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

it('npm ci prints no engine warning on the oldest supported version of Node', () => {
  const { node } = manifestSchema.parse(read('package.json')).engines;
  const oldest = semver.minVersion(node)?.version ?? '';
  const { packages } = lockFileSchema.parse(read('package-lock.json'));
  const unsupported = Object.entries(packages).filter(
    ([, locked]) => !semver.satisfies(oldest, locked.engines.node),
  );
  expect(unsupported).toEqual([]);
});
