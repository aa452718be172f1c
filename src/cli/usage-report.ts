import { HOUR_MS } from '../time.js';
import type { Usage } from '../usage/usage.schemas.js';
import { renderTable } from './table.js';

const BAR_WIDTH = 40;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** Usage for people: a bar for each hour, and a table of routes and outcomes. */
export function renderUsage(usage: Usage): string {
  const { keyId, from, to, requests, hours } = usage;
  const title = `${keyId}: ${formatCount(requests)} requests from ${from} to ${to}`;
  if (requests === 0) return title;
  const routes = renderTable(
    ['route', 'outcome', 'requests'],
    totalsOfRoutes(hours).map((total) => [total.route, total.outcome, formatCount(total.requests)]),
  );
  return [title, '', chart(usage), '', routes].join('\n');
}

function chart({ from, to, hours }: Usage): string {
  const rows: { hour: string; requests: number; refused: number }[] = [];
  for (let time = Date.parse(from); time < Date.parse(to); time += HOUR_MS) {
    const hour = new Date(time).toISOString();
    const ofHour = hours.filter((each) => each.hour === hour);
    const refused = ofHour.filter(({ outcome }) => outcome !== 'admitted');
    rows.push({ hour, requests: sum(ofHour), refused: sum(refused) });
  }
  const most = Math.max(...rows.map(({ requests }) => requests));
  const lines = rows.map(({ hour, requests, refused }) => [
    hour.slice(0, 16).replace('T', ' '),
    formatCount(requests),
    refused === 0 ? '' : formatCount(refused),
    bar(requests / most),
  ]);
  return renderTable(['hour (UTC)', 'requests', 'refused', ''], lines);
}

function bar(part: number): string {
  const eighths = Math.round(part * BAR_WIDTH * 8);
  // What is not zero is to be seen.
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
