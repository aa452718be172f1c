import { HOUR_MS } from '../time.js';
import type { Usage } from '../usage/usage.schemas.js';
import { formatTime, outputWidth, renderTable } from './terminal.js';

const MAX_BAR_WIDTH = 40;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

interface HourRow {
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
  const rows: HourRow[] = [];
  let emptyHours = 0;
  const foldEmptyHours = () => {
    if (emptyHours > 0) rows.push({ label: `… ${emptyHours} h without`, requests: 0, refused: 0 });
    emptyHours = 0;
  };
  for (let time = Date.parse(from); time < Date.parse(to); time += HOUR_MS) {
    const hour = new Date(time).toISOString();
    const ofHour = hours.filter((each) => each.hour === hour);
    if (ofHour.length === 0) {
      emptyHours += 1;
      continue;
    }
    foldEmptyHours();
    const refused = ofHour.filter(({ outcome }) => outcome !== 'admitted');
    rows.push({ label: formatTime(hour), requests: sum(ofHour), refused: sum(refused) });
  }
  foldEmptyHours();
  const most = Math.max(...rows.map(({ requests }) => requests));
  const barWidth = Math.min(MAX_BAR_WIDTH, width - 40);
  return renderTable(
    rows,
    [
      { heading: 'hour (UTC)', cell: ({ label }) => label },
      { heading: 'requests', cell: ({ requests }) => formatCount(requests) },
      { heading: 'refused', cell: ({ refused }) => (refused === 0 ? '' : formatCount(refused)) },
      { heading: '', cell: ({ requests }) => bar(requests / most, barWidth) },
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
