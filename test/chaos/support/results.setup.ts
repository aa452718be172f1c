import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import type { TestProject } from 'vitest/node';
import { type Result, resultSchema } from './results.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The file that receives the results of the chaos tests, one per line. */
    chaosResults: string;
  }
}

const PAGE = new URL('../../../docs/explanation/failure-tests.md', import.meta.url);
const COLUMNS = ['promise', 'failure', 'result', 'result without the protection', 'reference'];
const HEAD = [rowOf(COLUMNS), rowOf(COLUMNS.map(() => '---'))];
const TABLE = /(?<=<!-- results -->\n)[^]*(?=<!-- end of results -->)/;

/**
 * Prints the table of results after a run. A full run also writes its rows to
 * docs/explanation/failure-tests.md.
 */
export default function setUp(project: TestProject): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-chaos-'));
  const file = join(folder, 'results');
  writeFileSync(file, '');
  project.provide('chaosResults', file);
  return async () => {
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const rows = lines.map((line) => toRow(resultSchema.parse(JSON.parse(line))));
    rmSync(folder, { recursive: true });
    console.log([...HEAD, ...rows].join('\n'));
    if (process.env.FULL === '1') await writeRows(rows);
  };
}

function toRow({ promise, failure, result, control = '', reference }: Result): string {
  return rowOf([promise, failure, result, control, reference]);
}

function rowOf(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** Replaces the rows of the promises that this run tested, and keeps all other rows. */
async function writeRows(rows: readonly string[]): Promise<void> {
  const page = readFileSync(PAGE, 'utf8');
  const known = (TABLE.exec(page)?.[0] ?? '').split('\n').filter((line) => line.startsWith('| '));
  const byPromise = new Map(
    [...known.slice(HEAD.length), ...rows].map((row) => [promiseOf(row), row]),
  );
  const text = [machine(), '', ...HEAD, ...byPromise.values()].join('\n');
  const written = page.replace(TABLE, () => `\n${text}\n\n`);
  const filepath = fileURLToPath(PAGE);
  writeFileSync(PAGE, await format(written, { ...(await resolveConfig(filepath)), filepath }));
}

function promiseOf(row: string): string {
  return row.split('|')[1]?.trim() ?? '';
}

function machine(): string {
  return `Node ${process.version}, ${process.platform}, ${availableParallelism()} cores, which the load, the database and the service share.`;
}
