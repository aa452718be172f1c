import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { type Result, resultSchema } from './results.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The file that takes what the chaos tests measure, a line each. */
    chaosResults: string;
  }
}

const PAGE = new URL('../../../docs/reliability.md', import.meta.url);
const TABLE = /(?<=<!-- results -->\n)[^]*(?=<!-- end of results -->)/;

/** Prints the table of results after a run; a full run writes it into docs/reliability.md too. */
export default function setUp(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-chaos-'));
  const file = join(folder, 'results');
  writeFileSync(file, '');
  project.provide('chaosResults', file);
  return () => {
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const table = toTable(lines.map((line) => resultSchema.parse(JSON.parse(line))));
    rmSync(folder, { recursive: true });
    console.log(table);
    if (process.env.FULL !== '1') return;
    const text = `${machine()}\n\n${table}\n`;
    writeFileSync(
      PAGE,
      readFileSync(PAGE, 'utf8').replace(TABLE, () => `\n${text}\n`),
    );
  };
}

function toTable(results: Result[]): string {
  const rows = results.map(({ promise, broken, figure, control = '', anchor }) => [
    promise,
    broken,
    figure,
    control,
    anchor,
  ]);
  const head = ['promise', 'how it is broken', 'reached', 'without the protection', 'anchor'];
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function machine(): string {
  return `Node ${process.version}, ${process.platform}, ${availableParallelism()} cores, which the load, the database and the service share.`;
}
