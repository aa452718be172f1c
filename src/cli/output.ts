import { CommandFailure, EXIT_CODES } from './failure.js';

const DEFAULT_WIDTH = 80;
const MIN_FLEXIBLE_WIDTH = 12;
const GAP = '  ';

/** The width of the terminal or `COLUMNS`; 80 for pipes and files. */
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
  let free = width + GAP.length;
  const fitting: { readonly cells: string[]; readonly width: number }[] = [];
  const measured = columns.map((column) => {
    const cells = [column.heading, ...rows.map((row) => column.cell(row))];
    return { column, cells, width: Math.max(...cells.map((cell) => cell.length)) };
  });
  const least = ({ column, width: full }: (typeof measured)[number]) =>
    column.isFlexible ? Math.min(full, MIN_FLEXIBLE_WIDTH) : full;
  for (const each of measured.filter(({ column }) => !column.isOptional)) {
    free -= least(each) + GAP.length;
  }
  const shown = measured.filter((each) => {
    if (!each.column.isOptional) return true;
    if (least(each) + GAP.length > free) return false;
    free -= least(each) + GAP.length;
    return true;
  });
  for (const each of shown) {
    const extra = Math.min(each.width - least(each), Math.max(free, 0));
    free -= extra;
    const columnWidth = least(each) + extra;
    fitting.push({ cells: each.cells.map((cell) => cut(cell, columnWidth)), width: columnWidth });
  }
  return ['', ...rows]
    .map((_, line) =>
      fitting
        .map(({ cells, width: columnWidth }) => (cells[line] ?? '').padEnd(columnWidth))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}

export function print(text: string): void {
  console.log(text);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Refuses before anything is created: a secret in a log or file is a leak. */
export function refuseToLoseSecret(reveal: true | undefined): void {
  if (reveal || process.stdout.isTTY) return;
  throw new CommandFailure(
    'stdout is not a terminal: add --reveal to write the secret there.',
    EXIT_CODES.usage,
  );
}

/** `2026-11-30 12:53`, in UTC. */
export function formatTime(time: string): string {
  return time.slice(0, 16).replace('T', ' ');
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
