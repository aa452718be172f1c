import { HOUR_MS } from '../time.js';
import type { Usage } from '../usage/usage.schemas.js';
import { formatTime, outputWidth, renderTable } from './terminal.js';

const MAX_BAR_WIDTH = 40;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A row for an hour with requests, or for consecutive hours without requests. */
interface ChartRow {
  readonly label: string;
  readonly requests: number;
  readonly refused: number;
}

/** Renders usage as text: a bar per hour with requests, and a table of routes and outcomes. */
export function renderUsage(usage: Usage, name: string | null, width = outputWidth()): string {
  const { keyId, from, to, requests, hours } = usage;
  const title = `${name === null ? '' : `${name}  `}${keyId}
${formatCount(requests)} requests from ${formatTime(from)} to ${formatTime(to)} UTC`;
  if (requests === 0) return title;
  const routes = renderTable(
    totalsOfRoutes(hours),
    [
      { heading: 'route', cell: ({ route }) => route, isFlexible: true },
      { heading: 'outcome', cell: ({ outcome }) => outcome },
      { heading: 'requests', cell: (total) => formatCount(total.requests) },
    ],
    width,
  );
  return [title, '', chart(usage, width), '', routes].join('\n');
}

function chart({ from, to, hours }: Usage, width: number): string {
  const rows: ChartRow[] = [];
  let emptyHours = 0;
  for (let time = Date.parse(from); time < Date.parse(to); time += HOUR_MS) {
    const hour = new Date(time).toISOString();
    const counts = hours.filter((each) => each.hour === hour);
    // Consecutive empty hours share a row.
    if (counts.length === 0 && emptyHours > 0) rows.pop();
    emptyHours = counts.length === 0 ? emptyHours + 1 : 0;
    rows.push({
      label: emptyHours > 0 ? `… ${emptyHours} h without` : formatTime(hour),
      requests: sum(counts),
      refused: sum(counts.filter(({ outcome }) => outcome !== 'admitted')),
    });
  }
  const maxRequests = Math.max(...rows.map(({ requests }) => requests));
  const barWidth = Math.min(MAX_BAR_WIDTH, width - 40);
  return renderTable(
    rows,
    [
      { heading: 'hour (UTC)', cell: ({ label }) => label },
      { heading: 'requests', cell: ({ requests }) => formatCount(requests) },
      { heading: 'refused', cell: ({ refused }) => (refused === 0 ? '' : formatCount(refused)) },
      { heading: '', cell: ({ requests }) => bar(requests / maxRequests, barWidth) },
    ],
    width,
  );
}

function bar(part: number, width: number): string {
  const eighths = Math.round(part * width * 8);
  // A count above zero must be visible.
  const visible = part > 0 ? Math.max(eighths, 1) : 0;
  return '█'.repeat(Math.floor(visible / 8)) + (EIGHTHS[visible % 8] ?? '');
}

function totalsOfRoutes(hours: Usage['hours']) {
  const totals = new Map<string, { route: string; outcome: string; requests: number }>();
  for (const { route, outcome, requests } of hours) {
    const name = `${route} ${outcome}`;
    const before = totals.get(name)?.requests ?? 0;
    totals.set(name, { route, outcome, requests: before + requests });
  }
  return [...totals.values()].toSorted((a, b) => b.requests - a.requests);
}

function sum(counts: readonly { readonly requests: number }[]): number {
  return counts.reduce((total, { requests }) => total + requests, 0);
}

function formatCount(count: number): string {
  return count.toLocaleString('en');
}
