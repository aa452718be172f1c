import { createInterface } from 'node:readline/promises';
import { text as readText } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { CommandFailure, EXIT_CODES } from './failure.js';

const DEFAULT_WIDTH = 80;
// Flexible columns are not cut below this width.
const MIN_WIDTH = 12;
const GAP = '  ';

/** The width of the terminal; for pipes and files, `COLUMNS` or 80. */
export function outputWidth(): number {
  const given = Number(process.env.COLUMNS);
  return process.stdout.columns ?? (given > 0 ? given : DEFAULT_WIDTH);
}

export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => string;
  /** Long cells are cut, so that the table fits. */
  readonly isFlexible?: boolean;
  /** The column is omitted if it does not fit. */
  readonly isOptional?: boolean;
}

/** Renders a table that fits into `width` columns of a terminal. */
export function renderTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width = outputWidth(),
): string {
  const measured = columns.map((column) => {
    const cells = [column.heading, ...rows.map((row) => column.cell(row))];
    const full = Math.max(...cells.map(({ length }) => length));
    return { column, cells, full, least: column.isFlexible ? Math.min(full, MIN_WIDTH) : full };
  });
  const required = measured.filter(({ column }) => !column.isOptional);
  let free = required.reduce((left, { least }) => left - least - GAP.length, width + GAP.length);
  const shown = measured.filter(({ column, least }) => {
    if (!column.isOptional) return true;
    if (least + GAP.length > free) return false;
    free -= least + GAP.length;
    return true;
  });
  const padded = shown.map(({ cells, full, least }) => {
    const extra = Math.min(full - least, Math.max(free, 0));
    free -= extra;
    return cells.map((cell) => cut(cell, least + extra).padEnd(least + extra));
  });
  const lines = ['', ...rows].map((_, line) => padded.map((cells) => cells[line]).join(GAP));
  return lines.map((line) => line.trimEnd()).join('\n');
}

export function print(text: string): void {
  console.log(text);
}

/** Prints a response: as JSON for scripts, or as text for people. */
export function printResponse(json: true | undefined, response: object, text: () => string): void {
  print(json ? JSON.stringify(response, null, 2) : text());
}

/** Reads a secret from a pipe, or from a terminal without echo. */
export async function readSecret(prompt: string): Promise<string> {
  if (!process.stdin.isTTY) return (await readText(process.stdin)).trim();
  process.stderr.write(prompt);
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silence, terminal: true });
  try {
    return (await terminal.question('')).trim();
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}

/**
 * Throws if stdout may be a log or a file, which would leak a secret. Call this function before
 * creating the secret.
 */
export function refuseToLeakSecret(reveal: true | undefined): void {
  if (reveal || process.stdout.isTTY) return;
  throw new CommandFailure(
    'stdout is not a terminal: add --reveal to print the secret anyway.',
    EXIT_CODES.usage,
  );
}

/** Formats an ISO 8601 time in UTC as `2026-11-30 12:53`. */
export function formatTime(time: string): string {
  return time.slice(0, 16).replace('T', ' ');
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
