import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, release, type as systemType } from 'node:os';
import { z } from 'zod';
import type { BenchRun } from '../bench-run.js';

const PACKAGES = ['fastify', 'pg', '@nestjs/core', 'prisma', 'next', 'better-auth'];
const manifestSchema = z.object({ version: z.string() });

/** Describes the machine and the versions that the figures depend on. */
export async function describeMachine({ generator, databaseServer }: BenchRun): Promise<string> {
  const [cpu] = cpus();
  const versions = await Promise.all(PACKAGES.map(describePackage));
  return [
    `- ${availableParallelism()} cores of ${cpu?.model.trim() ?? 'an unknown model'}, ${systemType()} ${kernelVersion()}`,
    `- Node ${process.versions.node}, PostgreSQL ${databaseServer.description}, ${generator.name} ${generator.version}`,
    `- ${versions.flat().join(', ')}`,
  ].join('\n');
}

/** The first two parts of the kernel version, such as 6.8. */
function kernelVersion(): string {
  return release().split('.').slice(0, 2).join('.');
}

async function describePackage(name: string): Promise<string[]> {
  for (const folder of ['../', '../../']) {
    const manifest = new URL(`${folder}node_modules/${name}/package.json`, import.meta.url);
    const text = await readFile(manifest, 'utf8').catch(() => undefined);
    if (text !== undefined) {
      return [`${name} ${manifestSchema.parse(JSON.parse(text)).version}`];
    }
  }
  return [];
}
