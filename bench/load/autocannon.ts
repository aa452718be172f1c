import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { pinned } from '../cores.js';
import type { Load, LoadGenerator, LoadResult } from './load.js';
import { loadResultSchema } from './load-result.schema.js';

const PROCESS = fileURLToPath(new URL('autocannon-process.mjs', import.meta.url));
const MANIFEST = new URL('../node_modules/autocannon/package.json', import.meta.url);

/**
 * autocannon is available through npm. On one core, it saturates only slow servers, and it cannot
 * pause between requests.
 */
export class Autocannon implements LoadGenerator {
  readonly name = 'autocannon';

  private constructor(readonly version: string) {}

  /** Reads the version of the package, which must be installed. */
  static async load(): Promise<Autocannon> {
    const manifest: unknown = JSON.parse(await readFile(MANIFEST, 'utf8'));
    return new Autocannon(z.object({ version: z.string() }).parse(manifest).version);
  }

  async run({ pauseMs, ...load }: Load, signal: AbortSignal): Promise<LoadResult> {
    if (pauseMs !== undefined || load.request.expects !== undefined) {
      throw new Error('Only wrk can pause between requests and check responses.');
    }
    const [program, args] = pinned('generator', [process.execPath, PROCESS]);
    const child = promisify(execFile)(program, args, { signal });
    child.child.stdin?.end(JSON.stringify(load));
    const { stdout } = await child;
    return loadResultSchema.parse(JSON.parse(stdout));
  }
}
