/** Formats a table. The first row contains the headings; all columns but the first are numbers. */
export function markdownTable([headings = [], ...rows]: readonly (readonly string[])[]): string {
  const alignment = headings.map((_, index) => (index === 0 ? '---' : '--:'));
  return [headings, alignment, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
