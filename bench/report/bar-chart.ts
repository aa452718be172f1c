import { formatCount } from './format.js';
import type { Spread } from '../statistics.js';

export interface Bar {
  readonly spread: Spread;
  readonly label: string;
  readonly isOurs: boolean;
}

const WIDTH = 860;
const LABEL_WIDTH = 390;
const BAR_WIDTH = 390;
const ROW_HEIGHT = 30;
const BAR_HEIGHT = 18;
const TOP = 44;

/** Draws an SVG with a bar for each median and a line from the smallest to the largest value. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const scale = BAR_WIDTH / Math.max(...bars.map(({ spread }) => spread.max));
  const height = TOP + bars.length * ROW_HEIGHT + 8;
  const rows = bars.map((bar, index) => drawBar(bar, TOP + index * ROW_HEIGHT, scale));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13" role="img" aria-label="${escapeXml(title)}">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="26" font-size="15" font-weight="bold" fill="#1f2937">${escapeXml(title)}</text>
${rows.join('\n')}
</svg>
`;
}

function drawBar({ label, isOurs, spread }: Bar, y: number, scale: number): string {
  const { median, min, max } = spread;
  const middle = y + BAR_HEIGHT / 2;
  const x = (value: number) => (LABEL_WIDTH + value * scale).toFixed(1);
  return [
    `<text x="${LABEL_WIDTH - 10}" y="${middle + 5}" text-anchor="end" fill="#1f2937">${escapeXml(label)}</text>`,
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${(median * scale).toFixed(1)}" height="${BAR_HEIGHT}" rx="2" fill="${isOurs ? '#2563eb' : '#9ca3af'}"/>`,
    `<path d="M${x(min)} ${middle}H${x(max)}" stroke="#111827" stroke-width="2"/>`,
    `<text x="${Number(x(max)) + 8}" y="${middle + 5}" fill="#1f2937">${formatCount(median)}</text>`,
  ].join('');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
