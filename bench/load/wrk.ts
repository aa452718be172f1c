import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pinned } from '../cores.js';
import type { Load, LoadGenerator, LoadResult, RequestTemplate } from './load.js';
import { loadResultSchema } from './load-result.schema.js';

const SCRIPT = fileURLToPath(new URL('wrk.lua', import.meta.url));
const run = promisify(execFile);

/** wrk is written in C, so one core is enough to saturate every server. */
export class Wrk implements LoadGenerator {
  readonly name = 'wrk';

  private constructor(readonly version: string) {}

  /** Finds the installed wrk. Resolves to `undefined` if wrk is not installed. */
  static async find(): Promise<Wrk | undefined> {
    const output = await run('wrk', ['-v']).catch((error: { stdout?: string }) => error);
    const version = /^wrk (?:debian\/)?(\S+)/.exec(output.stdout ?? '')?.[1];
    return version === undefined ? undefined : new Wrk(version);
  }

  async run(load: Load, signal: AbortSignal): Promise<LoadResult> {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-wrk-'));
    try {
      const [request, values] = [join(folder, 'request'), join(folder, 'values')];
      await writeFile(request, rawRequest(load.origin, load.request));
      await writeFile(values, load.request.values.join('\n'));
      const expected = load.request.expects === undefined ? [] : [load.request.expects];
      const [program, args] = pinned('generator', [
        'wrk',
        '--threads=1',
        `--connections=${load.connections}`,
        `--duration=${load.seconds}s`,
        '--timeout=10s',
        `--script=${SCRIPT}`,
        load.origin,
        '--',
        request,
        values,
        String(load.pauseMs ?? 0),
        ...expected,
      ]);
      const { stdout } = await run(program, args, { signal });
      return parseResult(stdout);
    } finally {
      await rm(folder, { recursive: true });
    }
  }
}

function rawRequest(origin: string, { method, path, headers, body = '' }: RequestTemplate): string {
  const all = {
    Host: new URL(origin).host,
    ...headers,
    ...(body !== '' && { 'Content-Length': Buffer.byteLength(body) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`${method} ${path} HTTP/1.1`, ...lines, '', body].join('\r\n');
}

function parseResult(output: string): LoadResult {
  const json = /^RESULT (.*)$/m.exec(output)?.[1];
  if (json === undefined) throw new Error(`wrk printed no result:\n${output}`);
  return loadResultSchema.parse(JSON.parse(json));
}
