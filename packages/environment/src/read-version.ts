import { readFileSync } from 'node:fs';
import { z } from 'zod';

export function readVersion(manifest: string | URL): string {
  const json: unknown = JSON.parse(readFileSync(manifest, 'utf8'));
  return z.object({ version: z.string() }).parse(json).version;
}
