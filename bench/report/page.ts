import { readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';

const PAGE = new URL('../../docs/explanation/performance-figures.md', import.meta.url);
const CHART = new URL('../../docs/explanation/performance-figures.svg', import.meta.url);

/**
 * Replaces sections of docs/explanation/performance-figures.md by name. The handwritten text around
 * them stays.
 */
export async function writeSections(sections: ReadonlyMap<string, string>): Promise<void> {
  let page = await readFile(PAGE, 'utf8');
  for (const [name, text] of sections) page = replaceSection(page, name, text);
  await writeFile(PAGE, await format(page, { ...(await resolveConfig(PAGE)), parser: 'markdown' }));
}

export async function writeChart(svg: string): Promise<void> {
  await writeFile(CHART, svg);
}

function replaceSection(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from)
    throw new Error(`docs/explanation/performance-figures.md has no section ${name}.`);
  return `${page.slice(0, from)}${begin}\n\n${text}\n\n${page.slice(to)}`;
}
